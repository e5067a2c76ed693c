"""Loops in threads of their own, and what runs beside a block."""

import asyncio
import threading

import pytest

from receiver import loops
from receiver.aside import aside


async def for_ever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_task_that_exits_does_not_end_its_loop(kind: type[BaseException]) -> None:
    heard: list[object] = []

    async def exits() -> None:
        raise kind

    async def main() -> None:
        child = asyncio.create_task(exits())
        try:
            await child
        except BaseException as error:
            heard.append(type(error))
        await asyncio.sleep(0)
        heard.append("went on")

    thread = threading.Thread(target=loops.run, args=(main(),))
    thread.start()
    thread.join(10)
    assert heard == [kind, "went on"]


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit])
def test_what_ends_the_loop_itself_comes_out(kind: type[BaseException]) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise kind

    async def main() -> None:
        try:
            await aside(loops.run, fails())
        except BaseException as error:
            assert type(error) is kind  # noqa: PT017
        else:
            raise AssertionError("it did not fail")

    asyncio.run(main())


def test_what_the_block_raises_comes_out_as_it_is() -> None:
    async def main() -> None:
        async with loops.beside(for_ever()):
            raise OSError("the port is taken")

    with pytest.raises(OSError, match="the port is taken"):
        asyncio.run(main())


def test_a_job_that_fails_ends_the_block() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        async with loops.beside(for_ever(), fails()):
            await for_ever()

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert caught.group_contains(ZeroDivisionError)


def test_jobs_end_with_the_block() -> None:
    ended: list[str] = []

    async def job() -> None:
        try:
            await for_ever()
        finally:
            ended.append("job")

    async def main() -> None:
        async with loops.beside(job()):
            await asyncio.sleep(0)
        ended.append("block")

    asyncio.run(main())
    assert ended == ["job", "block"]
