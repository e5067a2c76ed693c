"""Stand-ins go wrong on demand, over a real connection."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from receiver.standins.avaamo import AvaamoState, avaamo_app
from receiver.standins.faults import Answer, Fault, Garbage, Lost, Reset, Slow, throttled
from receiver.standins.server import serving, serving_in_thread

Check = Callable[[httpx.AsyncClient, str], Awaitable[None]]


def serve(state: AvaamoState, check: Check) -> None:
    async def run() -> None:
        async with serving(avaamo_app(state)) as url, httpx.AsyncClient() as client:
            await check(client, f"{url}/sms/{state.channel_uuid}/send.json")

    asyncio.run(run())


GREETING = {"to_phone": "+15145550142"}


def test_the_script_is_played_in_order_and_then_all_is_well() -> None:
    state = AvaamoState()
    state.faults.next(throttled("7"), Answer(500), None, Answer(401))
    state.faults.next(throttled(), times=2)

    async def check(client: httpx.AsyncClient, url: str) -> None:
        answers = [await client.post(url, json=GREETING) for _ in range(7)]
        assert [a.status_code for a in answers] == [429, 500, 200, 401, 429, 429, 200]
        assert [a.headers.get("Retry-After") for a in answers[:5:4]] == ["7", None]

    serve(state, check)
    assert len(state.greeted) == 2
    assert len(state.requests) == 7


def test_a_fault_may_wait_for_a_path() -> None:
    state = AvaamoState()
    state.faults.next(Answer(500), on="send.json")

    async def check(client: httpx.AsyncClient, url: str) -> None:
        assert (await client.get(url.replace("send.json", "other"))).status_code == 404
        assert (await client.post(url, json=GREETING)).status_code == 500

    serve(state, check)


@pytest.mark.parametrize(("fault", "done"), [(Reset(), 0), (Lost(), 1)])
def test_a_dropped_connection_may_or_may_not_have_had_an_effect(fault: Fault, done: int) -> None:
    state = AvaamoState()
    state.faults.next(fault)

    async def check(client: httpx.AsyncClient, url: str) -> None:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.post(url, json=GREETING)
        assert len(state.greeted) == done
        assert (await client.post(url, json=GREETING)).status_code == 200

    serve(state, check)


@pytest.mark.parametrize(("fault", "done"), [(Reset(), 0), (Lost(), 1)])
def test_inside_one_process_a_drop_is_the_error_that_a_client_would_see(
    fault: Fault, done: int
) -> None:
    state = AvaamoState()
    state.faults.next(fault)

    async def check() -> None:
        transport = httpx.ASGITransport(avaamo_app(state))
        async with httpx.AsyncClient(transport=transport) as client:
            url = f"http://agent.example.com/sms/{state.channel_uuid}/send.json"
            with pytest.raises(httpx.ReadError):
                await client.post(url, json=GREETING)

    asyncio.run(check())
    assert len(state.greeted) == done


def test_garbage_comes_after_the_work() -> None:
    state = AvaamoState()
    state.faults.next(Garbage())

    async def check(client: httpx.AsyncClient, url: str) -> None:
        answer = await client.post(url, json=GREETING)
        assert (answer.status_code, answer.text) == (200, "<html>It works!</html>")

    serve(state, check)
    assert len(state.greeted) == 1


def test_a_slow_answer_outlasts_an_impatient_client() -> None:
    state = AvaamoState()
    state.faults.next(Slow(30))

    async def check(client: httpx.AsyncClient, url: str) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(url, json=GREETING, timeout=0.05)

    serve(state, check)
    assert state.greeted == []


def test_a_stand_in_can_run_in_a_thread_of_its_own() -> None:
    state = AvaamoState()
    with serving_in_thread(avaamo_app(state)) as url:
        answer = httpx.post(f"{url}/sms/{state.channel_uuid}/send.json", json=GREETING)
        assert answer.json() == {"success": True}
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
