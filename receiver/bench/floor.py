"""
The floor (`python -m receiver.bench.floor PORT [ANSWER]`): the uvicorn that we use, set up as we
do, with an application that reads the body and does nothing. No ASGI receiver can be faster.

With an ANSWER (JSON) it is the stand-in of a provider that takes everything at once.
"""

import asyncio
import sys

from starlette.types import ASGIApp, Receive, Scope, Send

from receiver import serving
from receiver.bench.load import loop_factory


def app(answer: bytes = b"") -> ASGIApp:
    """Read, and answer 200 with these bytes."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
    ]
    start = {"type": "http.response.start", "status": 200, "headers": headers[not answer :]}
    body = {"type": "http.response.body", "body": answer}

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(start)
        await send(body)

    return run


async def serve(port: int, answer: bytes) -> None:
    """Until SIGTERM."""
    config = serving.configure(app(answer), http="httptools", host="127.0.0.1", port=port)
    async with serving.listening([config]):
        await serving.until_stopped()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1]), "".join(sys.argv[2:]).encode()))
