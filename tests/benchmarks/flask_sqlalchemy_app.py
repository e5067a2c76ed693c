"""Flask + Flask-SQLAlchemy behind gunicorn, as in Sinch's quickstart, with a commit for each."""

import fcntl
import os
import tempfile

from flask import Flask, abort, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from webhooks import DATABASE, genuine, parse

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = DATABASE.replace("postgresql://", "postgresql+psycopg://")
db = SQLAlchemy(app)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String, unique=True, nullable=False)


class Identity(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    address = db.Column(db.String, unique=True, nullable=False)
    channel = db.Column(db.String, nullable=False)
    user_id = db.Column(db.ForeignKey("user.id"), nullable=False)


class Event(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    key = db.Column(db.String, unique=True, nullable=False)
    user_id = db.Column(db.ForeignKey("user.id"), nullable=False)
    text = db.Column(db.String, nullable=False)
    body = db.Column(db.LargeBinary, nullable=False)


def durable(connection, _):
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


with app.app_context():
    if db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", durable)
    # gunicorn's workers all come by here: one at a time, or the second finds half a schema
    with open(os.path.join(tempfile.gettempdir(), "hookline-peers.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        db.create_all()


@app.post("/webhooks/<account>")
def receive(account):
    body = request.get_data()
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not genuine(account, headers, body):
        abort(401)
    message = parse(account, body)
    if Event.query.filter_by(key=message.key).first():
        return "", 200
    try:
        user = User.query.filter_by(name=message.user).first()
        if user is None:
            user = User(name=message.user)
            db.session.add(user)
            db.session.flush()
        if not Identity.query.filter_by(address=message.address).first():
            found = {"address": message.address, "channel": message.channel, "user_id": user.id}
            db.session.add(Identity(**found))
        db.session.add(Event(key=message.key, user_id=user.id, text=message.text, body=body))
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
    return "", 200
