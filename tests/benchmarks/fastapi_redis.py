"""FastAPI + arq: the webhook is put into a queue in Redis, from which a worker would take it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, HTTPException, Request
from webhooks import genuine, parse


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.queue = await create_pool(RedisSettings(port=int(os.environ["REDIS_PORT"])))
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/{account}")
async def receive(account: str, request: Request) -> dict[str, str]:
    body = await request.body()
    if not genuine(account, request.headers, body):
        raise HTTPException(401)
    message = parse(account, body)
    queue = request.app.state.queue
    job = await queue.enqueue_job("handle", account, body, _job_id=message.key)
    return {"status": "queued" if job else "known"}
