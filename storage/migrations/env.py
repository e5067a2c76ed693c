"""Alembic's entry: migrates the connection that `storage.database` hands over."""

from alembic import context
from sqlmodel import SQLModel

from storage import tables

assert tables  # its models are the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
