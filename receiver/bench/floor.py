"""
The floor (`python -m receiver.bench.floor PORT`): the uvicorn that we use, set up as we do, with an
application that reads the body and does nothing. No ASGI receiver can be faster.
"""

import asyncio
import sys

from starlette.types import Receive, Scope, Send

from receiver import serving
from receiver.bench.load import loop_factory

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
_BODY = {"type": "http.response.body", "body": b""}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read, and answer 200."""
    while (await receive()).get("more_body"):
        pass
    await send(_START)
    await send(_BODY)


async def serve(port: int) -> None:
    """Until SIGTERM."""
    config = serving.configure(app, http="httptools", host="127.0.0.1", port=port)
    async with serving.listening([config]):
        await serving.until_stopped()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1])))
