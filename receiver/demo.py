"""
`hookline demo`: the whole thing on this machine, in a minute, without an account anywhere.

A real receiver on a temporary SQLite file; stand-ins for Smooch and Sinch that check every request
and answer by signed webhooks; people who write their number in a chat and are reached by SMS.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from receiver import samples, serving
from receiver.accounts import Account
from receiver.demo_view import View
from receiver.node import Node
from receiver.plugins import load_handlers
from receiver.run import listeners
from receiver.settings import Settings
from receiver.standins.server import serving as standing_in
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.smooch import SmoochState, smooch_app
from storage import asked, queries

HANDLERS = ["handlers.offer_sms", "handlers.echo"]
INTEGRATION = "5ec6c0ffee0000000000cafe"
PATIENCE = 20.0  # seconds until an outcome that does not come is missed

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """One person writes one message. edit: puts the words into the provider's sample."""

    title: str
    account: str
    provider: str
    version: str | None
    sample: str
    words: str
    edit: Callable[[Body, str], None]


def _say_v1(body: Body, words: str) -> None:
    body["messages"][0]["text"] = words


def _say_v2(body: Body, words: str) -> None:
    body["events"][0]["payload"]["message"]["content"]["text"] = words


def _say_sinch(body: Body, words: str) -> None:
    body["message"]["contact_message"] = {"text_message": {"text": words}}


ACTS = (
    Act(
        "Smooch v1.1, web chat",
        "chat",
        "smooch",
        "v1.1",
        "message:appUser",
        "Hi! Could you text me on +1 514 555 0123?",
        _say_v1,
    ),
    Act(
        "Sunshine Conversations v2, web chat",
        "support",
        "smooch",
        "v2",
        "conversation:message",
        "I have to run. My number is +1 (514) 555-0188.",
        _say_v2,
    ),
    Act(
        "Sinch Conversation API, Messenger",
        "texts",
        "sinch",
        None,
        "MESSAGE_INBOUND/messenger",
        "Better by text: +46 70 123 45 67",
        _say_sinch,
    ),
)


@dataclass(slots=True)
class Stage:
    """What it runs on. public: the address of the webhooks. began: the time that they tell."""

    node: Node
    public: str
    admin: str
    client: httpx.AsyncClient
    began: datetime


async def run(console: Console, *, once: bool, port: int = 8000) -> list[str]:
    """Play all acts; what did not happen, in words. Unless `once`, stay up until interrupted."""
    view = View(console)
    async with _stage(0 if once else port) as stage:
        view.opening(stage.public, HANDLERS)
        missed = []
        for act in ACTS:
            missed += await _play(act, stage, view)
        missed += await _twice_and_forged(stage, view)
        view.people(*await asyncio.to_thread(_summary, stage))
        view.closing(missed)
        if not once:
            view.staying(stage.public, stage.admin)
            await serving.until_stopped()
    return missed


@asynccontextmanager
async def _stage(port: int) -> AsyncIterator[Stage]:
    """Stand-ins, then the receiver, each on loopback; everything is gone afterwards."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-demo-"))
        states = {
            "chat": SmoochState(adopt=True),
            "support": SmoochState(adopt=True, integrations={"twilio": INTEGRATION}),
        }
        texts = SinchState(adopt=True)
        urls = {
            name: await stack.enter_async_context(standing_in(smooch_app(state)))
            for name, state in states.items()
        }
        urls["texts"] = await stack.enter_async_context(standing_in(sinch_app(texts)))
        settings = _settings(Path(folder), port, states, texts, urls)
        node = Node(settings, load_handlers(HANDLERS))
        await stack.enter_async_context(node.running())
        servers = await stack.enter_async_context(serving.listening(listeners(node)))
        public, admin = (serving.address(server) for server in servers)
        for name, state in states.items():
            state.hooks.target = f"{public}/webhooks/{name}"
        texts.hooks.target = f"{public}/webhooks/texts"
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        yield Stage(node, public, admin, client, datetime.now(UTC))


def _settings(
    folder: Path,
    port: int,
    states: dict[str, SmoochState],
    texts: SinchState,
    urls: dict[str, str],
) -> Settings:
    accounts: dict[str, dict[str, Any]] = {
        name: {
            "provider": "smooch",
            "api_version": "v2" if name == "support" else "v1.1",
            "webhook_secrets": [state.secret],
            "app_id": state.app_id,
            "key_id": state.key_id,
            "key_secret": state.key_secret,
            "integrations": state.integrations,
            "base_url": urls[name],
        }
        for name, state in states.items()
    }
    accounts["texts"] = {
        "provider": "sinch",
        "webhook_secrets": [texts.secret],
        "project_id": texts.project_id,
        "app_id": texts.app_id,
        "key_id": texts.key_id,
        "key_secret": texts.key_secret,
        "base_url": urls["texts"],
        "auth_url": f"{urls['texts']}/oauth2/token",
    }
    return Settings.model_validate(
        {
            "database_url": f"sqlite:///{folder}/hookline.db",
            "handlers": HANDLERS,
            "port": port or serving.free_port(),
            "admin_port": port + 1 if port else serving.free_port(),
            "accounts": accounts,
        }
    )


async def _play(act: Act, stage: Stage, view: View) -> list[str]:
    """One act, told while it happens; what did not happen."""
    view.act(act.title, act.words)
    response = await _post(stage, act.account, _body(act, stage.began))
    view.webhook(act.account, act.sample, response)
    settled = await _until(stage, act.account)
    told = await asyncio.to_thread(_story, stage, act.account)
    view.story(*told)
    if response.status_code != 200:
        return [f"{act.title}: the webhook was answered {response.status_code}"]
    return [] if settled else [f"{act.title}: no SMS went out over the linked channel"]


def _body(act: Act, now: datetime) -> bytes:
    body = samples.make(act.provider, act.sample, seed=act.account, now=now, version=act.version)
    act.edit(body, act.words)
    return json.dumps(body).encode()


async def _post(
    stage: Stage, name: str, body: bytes, *, secret: bytes | None = None
) -> httpx.Response:
    """The webhook as the provider would send it, or, with another secret, as a forger would."""
    account = stage.node.accounts[name]
    assert account.provider.inbound is not None
    nonce = f"demo-{hash((body, secret)) & 0xFFFFFFFF:08x}"
    headers = account.provider.inbound.sign(
        body, secret or account.secrets[0], datetime.now(UTC), nonce
    )
    headers["Content-Type"] = "application/json"
    url = f"{stage.public}/webhooks/{name}"
    return await stage.client.post(url, content=body, headers=headers)


async def _until(stage: Stage, account: str) -> bool:
    """Whether the account's link got through, and everything that was asked for was sent."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(_settled, stage, account):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


def _settled(stage: Stage, account: str) -> bool:
    with stage.node.database.read() as tx:
        links = asked.links(tx, account, None, 0)
        sent = asked.outbox(tx, account, [], 0)
        pending = list(queries.events(tx, queries.Filter(account, status="pending")))
    kinds = {row["kind"] for row in sent if row["status"] == "sent"}
    linked = any(link["status"] == "linked" for link in links)
    return linked and "send" in kinds and not pending and all(r["status"] == "sent" for r in sent)


def _story(stage: Stage, account: str) -> tuple[Sequence[Any], dict[str, Account]]:
    """All events of an account, oldest first, each with its runs and its actions."""
    with stage.node.database.read() as tx:
        rows = list(queries.events(tx, queries.Filter(account, limit=0)))[::-1]
        told = [(row, asked.runs(tx, row.id), asked.actions_of(tx, row.id)) for row in rows]
    return told, stage.node.accounts


async def _twice_and_forged(stage: Stage, view: View) -> list[str]:
    """The same webhook again is a duplicate; one that is signed by somebody else is refused."""
    body = _body(ACTS[0], stage.began)
    before = await asyncio.to_thread(_count, stage)
    again = await _post(stage, ACTS[0].account, body)
    forged = await _post(stage, ACTS[0].account, body, secret=b"not-the-secret")
    new = await asyncio.to_thread(_count, stage) - before
    view.refusals(again, new, forged)
    good = (again.status_code, new, forged.status_code) == (200, 0, 401)
    return [] if good else ["a repeated or a forged webhook was not treated as one"]


def _count(stage: Stage) -> int:
    with stage.node.database.read() as tx:
        chosen = queries.Filter(ACTS[0].account, type="message.received", limit=0)
        return len(list(queries.events(tx, chosen)))


def _summary(stage: Stage) -> tuple[list[Any], list[Any]]:
    with stage.node.database.read() as tx:
        return queries.users(tx, limit=0), asked.links(tx, None, None, 0)
