"""Asks the providers, the running server and the public addresses, all at once."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import httpx

from receiver.accounts import Account, accounts
from receiver.answers import http_date
from receiver.doctor import here, providers, server
from receiver.doctor.finding import Finding
from receiver.doctor.providers import Told
from receiver.doctor.server import Answer, Seen
from receiver.errors import SendError
from receiver.options import reveal
from receiver.provider import Calls
from receiver.registration import leads_to, path_for
from receiver.send import Sender
from receiver.settings import Settings

TIMEOUT = 15.0  # seconds, for one request to a server of ours
LARGE = 1024 * 1024  # bytes: as long as a webhook gets
Clock = Callable[[], datetime]
T = TypeVar("T")


async def examine(settings: Settings, clock: Clock, url: str | None) -> list[Finding]:
    """All findings. `url`: the public address; None takes those that are registered."""
    base = base_of(url) if url else None
    known = [
        replace(account, secrets=account.live(clock()))
        for account in accounts(settings.accounts).values()
    ]
    found = await asyncio.to_thread(here.examine, settings)
    async with Sender(clock) as sender:
        answers = await asyncio.gather(*(_ask(sender, account, clock) for account in known))
    timeout = httpx.Timeout(TIMEOUT, connect=5.0)
    async with httpx.AsyncClient(trust_env=False, timeout=timeout) as client:
        found.append(await _ready(client, settings))
        for account, told in zip(known, answers, strict=True):
            found += [_of(account, finding) for finding in _of_provider(account, told, base)]
            targets = _targets(account, told, base)
            seen = await asyncio.gather(*(_look(client, at, settings) for at in targets))
            found += [_of(account, finding) for one in seen for finding in server.public(one)]
    return found


def base_of(url: str) -> str:
    """What stands before the path of the webhooks, without a slash at the end."""
    return url.partition("/webhooks/")[0].rstrip("/")


def _of(account: Account, finding: Finding) -> Finding:
    return Finding(finding.level, finding.check, finding.detail, finding.todo, account.name)


def _of_provider(account: Account, told: Told | None, base: str | None) -> Iterable[Finding]:
    yield from providers.settings(account)
    if told is not None:
        yield from providers.told(account, told, base)


def _targets(account: Account, told: Told | None, base: str | None) -> list[str]:
    """The account's public addresses, each once."""
    if not account.receives:
        return []
    if base is not None:
        return [f"{base}{path_for(account.name)}"]
    hooks = told.hooks if told and told.hooks else []
    return sorted({hook.target for hook in hooks if leads_to(hook.target, account.name)})


async def _ask(sender: Sender, account: Account, clock: Clock) -> Told | None:
    """What the account's provider tells; None where it cannot be asked."""
    provider, options = account.provider, account.options
    probe, hooks = provider.outbound.probe, provider.webhooks
    if options.lacks() or (probe is None and hooks is None):
        return None
    told = Told()

    def note(response: httpx.Response) -> None:
        date = http_date(response.headers.get("Date", ""))
        told.offset = clock() - date if date else told.offset

    async def call(calls: Calls[T]) -> T:
        return await sender.call(account.name, provider, options, noting(calls, note))

    try:
        if probe is not None:
            told.misfits = await call(probe(options))
        if hooks is not None:
            told.hooks = await call(hooks.listed(options))
    except SendError as error:
        told.error = error
    return told


def noting(calls: Calls[T], note: Callable[[httpx.Response], None]) -> Calls[T]:
    """The same calls; every answer is shown to `note` on its way."""
    try:
        request = next(calls)
        while True:
            response = yield request
            note(response)
            request = calls.send(response)
    except StopIteration as done:
        result: T = done.value
        return result


async def _ready(client: httpx.AsyncClient, settings: Settings) -> Finding:
    host = f"[{settings.admin_host}]" if ":" in settings.admin_host else settings.admin_host
    url = f"http://{host}:{settings.admin_port}/readyz"
    token = settings.admin_token
    headers = {"Authorization": f"Bearer {reveal(token)}"} if token else {}
    return server.ready(url, await _fetch(client, "GET", url, headers=headers))


async def _look(client: httpx.AsyncClient, url: str, settings: Settings) -> Seen:
    size = min(settings.max_body_bytes, LARGE)
    head = await _fetch(client, "HEAD", url)
    get = await _fetch(client, "GET", url)
    if get.status != 200:
        return Seen(url, head, get, Answer(None), size)
    put = await _fetch(client, "PUT", url, content=b"0" * size)
    return Seen(url, head, get, put, size)


async def _fetch(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:
    try:
        response = await client.request(method, url, headers=headers, content=content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer(None, type(error).__name__)
    return Answer(response.status_code, response.text, response.headers.get("Location"))
