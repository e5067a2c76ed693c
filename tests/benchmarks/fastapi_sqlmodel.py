"""FastAPI + SQLModel, as in their tutorials: a session and a commit for each request."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, create_engine, select
from webhooks import DATABASE, genuine, parse

app = FastAPI()
engine = create_engine(
    DATABASE.replace("postgresql://", "postgresql+psycopg://"), pool_size=20, max_overflow=20
)


class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)


class Identity(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    address: str = Field(unique=True)
    channel: str
    user_id: int = Field(foreign_key="user.id")


class Event(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    user_id: int = Field(foreign_key="user.id")
    text: str
    body: bytes


if engine.dialect.name == "sqlite":

    @event.listens_for(engine, "connect")
    def durable(connection, _):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")


SQLModel.metadata.create_all(engine)


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


async def get_body(request: Request) -> bytes:
    return await request.body()


@app.post("/webhooks/{account}")
def receive(
    account: str,
    request: Request,
    body: Annotated[bytes, Depends(get_body)],
    session: Annotated[Session, Depends(get_session)],
) -> dict[str, str]:
    if not genuine(account, request.headers, body):
        raise HTTPException(401)
    message = parse(account, body)
    if session.exec(select(Event).where(Event.key == message.key)).first():
        return {"status": "known"}
    try:
        user = _user(session, message.user)
        if not session.exec(select(Identity).where(Identity.address == message.address)).first():
            found = {"address": message.address, "channel": message.channel, "user_id": user.id}
            session.add(Identity(**found))
        session.add(Event(key=message.key, user_id=user.id, text=message.text, body=body))
        session.commit()
    except IntegrityError:
        session.rollback()
        return {"status": "known"}
    return {"status": "stored"}


def _user(session: Session, name: str) -> User:
    user = session.exec(select(User).where(User.name == name)).first()
    if user is None:
        user = User(name=name)
        session.add(user)
        session.flush()
    return user
