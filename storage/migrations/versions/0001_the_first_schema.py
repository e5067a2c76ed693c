"""The first schema."""

import sqlalchemy as sa
from alembic import op

from storage.tables import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE hookline_id")
    op.create_table(
        "action",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("dedup", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("handler", sa.Text(), nullable=True),
        sa.Column("user_key", sa.LargeBinary(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action")),
        sa.UniqueConstraint("dedup", name=op.f("uq_action_dedup")),
    )
    with op.batch_alter_table("action", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_action_event_id"), ["event_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_action_user_key"), ["user_key"], unique=False)

    op.create_table(
        "app_user",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("named_at", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revealed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_app_user")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("app_user", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_app_user_merged_into"), ["merged_into"], unique=False)

    op.create_table(
        "consent",
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_consent")),
    )
    op.create_table(
        "event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("dedup", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_key", sa.LargeBinary(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", Instant(), nullable=True),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("dedup", name=op.f("uq_event_dedup")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        for name, column, rows in (
            ("ix_event_bare", "received_at", "body IS NULL AND webhook_id = id"),
            ("ix_event_body", "received_at", "body IS NOT NULL"),
            ("ix_event_unparsed", "id", "type = 'unparsed'"),
            ("ix_event_webhook", "webhook_id", "webhook_id <> id"),
        ):
            batch_op.create_index(
                name,
                [column],
                unique=False,
                sqlite_where=sa.text(rows),
                postgresql_where=sa.text(rows),
            )
        batch_op.create_index("ix_event_user", [sa.text("(id >> 10)"), "user_key"], unique=False)

    op.create_table(
        "identity",
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.Column("user_key", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("client_at", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_at", sa.BigInteger(), nullable=False),
        sa.Column("active_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", "user_key", name=op.f("pk_identity")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("identity", schema=None) as batch_op:
        batch_op.create_index("ix_identity_client", ["client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_user_key"), ["user_key"], unique=False)

    op.create_table(
        "identity_move",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.Column("from_user", sa.LargeBinary(), nullable=False),
        sa.Column("to_user", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("moved_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_move")),
    )
    with op.batch_alter_table("identity_move", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_move_place"), ["place"], unique=False)

    op.create_table(
        "job",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("queue", sa.SmallInteger(), nullable=False),
        sa.Column("ref", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("lane", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("lease", Instant(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(
            "ix_job_account",
            ["account", "due_at", "id"],
            unique=False,
            sqlite_where=sa.text("queue = 2 AND state IN (1, 2)"),
            postgresql_where=sa.text("queue = 2 AND state IN (1, 2)"),
        )
        batch_op.create_index(
            "ix_job_dead",
            ["queue", "id"],
            unique=False,
            sqlite_where=sa.text("state = 4"),
            postgresql_where=sa.text("state = 4"),
        )
        batch_op.create_index(
            "ix_job_due",
            ["queue", "due_at", "id"],
            unique=False,
            sqlite_where=sa.text("state IN (1, 2)"),
            postgresql_where=sa.text("state IN (1, 2)"),
        )
        batch_op.create_index(
            "ix_job_joined",
            ["lane"],
            unique=False,
            sqlite_where=sa.text("state = 2"),
            postgresql_where=sa.text("state = 2"),
        )
        batch_op.create_index("ix_job_ref", ["ref", "queue"], unique=False)
        batch_op.create_index(
            "ix_job_scheduled",
            ["due_at", "id"],
            unique=False,
            sqlite_where=sa.text("state = 3"),
            postgresql_where=sa.text("state = 3"),
        )
        batch_op.create_index(
            "ix_job_waiting",
            ["lane", "id"],
            unique=False,
            sqlite_where=sa.text("state = 0"),
            postgresql_where=sa.text("state = 0"),
        )
        batch_op.create_index(
            "uq_job_head",
            ["lane"],
            unique=True,
            sqlite_where=sa.text("state = 1"),
            postgresql_where=sa.text("state = 1"),
        )

    op.create_table(
        "link",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("user_key", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("confirmation", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("requested_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
    )
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_user_key"), ["user_key"], unique=False)

    op.create_table(
        "nonce",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nonce")),
        sa.UniqueConstraint("key", name=op.f("uq_nonce_key")),
    )
    op.create_table(
        "quarantine",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.create_index("ix_quarantine_account", ["account", "id"], unique=False)
        batch_op.create_index(
            "ix_quarantine_bounds", ["peer", "id", "size", "received_at"], unique=False
        )

    op.create_table(
        "receipt",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_receipt")),
    )
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_receipt_updated_at"), ["updated_at"], unique=False)

    op.create_table(
        "run",
        sa.Column(
            "event_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "handler", name=op.f("pk_run")),
    )
    op.create_table(
        "secret_use",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("account", "fingerprint", name=op.f("pk_secret_use")),
    )
    op.create_table(
        "state",
        sa.Column("user_key", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("user_key", "name", name=op.f("pk_state")),
    )
    op.create_table(
        "throttle",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("filled_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.Column("probing", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_throttle")),
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP SEQUENCE hookline_id")
    op.drop_table("throttle")
    op.drop_table("state")
    op.drop_table("secret_use")
    op.drop_table("run")
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_receipt_updated_at"))

    op.drop_table("receipt")
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.drop_index("ix_quarantine_bounds")
        batch_op.drop_index("ix_quarantine_account")

    op.drop_table("quarantine")
    op.drop_table("nonce")
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_link_user_key"))

    op.drop_table("link")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_job_head", sqlite_where=sa.text("state = 1"), postgresql_where=sa.text("state = 1")
        )
        batch_op.drop_index(
            "ix_job_waiting",
            sqlite_where=sa.text("state = 0"),
            postgresql_where=sa.text("state = 0"),
        )
        batch_op.drop_index(
            "ix_job_scheduled",
            sqlite_where=sa.text("state = 3"),
            postgresql_where=sa.text("state = 3"),
        )
        batch_op.drop_index("ix_job_ref")
        batch_op.drop_index(
            "ix_job_joined",
            sqlite_where=sa.text("state = 2"),
            postgresql_where=sa.text("state = 2"),
        )
        batch_op.drop_index(
            "ix_job_due",
            sqlite_where=sa.text("state IN (1, 2)"),
            postgresql_where=sa.text("state IN (1, 2)"),
        )
        batch_op.drop_index(
            "ix_job_dead", sqlite_where=sa.text("state = 4"), postgresql_where=sa.text("state = 4")
        )
        batch_op.drop_index(
            "ix_job_account",
            sqlite_where=sa.text("queue = 2 AND state IN (1, 2)"),
            postgresql_where=sa.text("queue = 2 AND state IN (1, 2)"),
        )

    op.drop_table("job")
    with op.batch_alter_table("identity_move", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_move_place"))

    op.drop_table("identity_move")
    with op.batch_alter_table("identity", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_user_key"))
        batch_op.drop_index("ix_identity_client")

    op.drop_table("identity")
    with op.batch_alter_table("event", schema=None) as batch_op:
        for name in (
            "ix_event_user",
            "ix_event_webhook",
            "ix_event_unparsed",
            "ix_event_body",
            "ix_event_bare",
        ):
            batch_op.drop_index(name)

    op.drop_table("event")
    op.drop_table("consent")
    with op.batch_alter_table("app_user", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_app_user_merged_into"))

    op.drop_table("app_user")
    with op.batch_alter_table("action", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_action_user_key"))
        batch_op.drop_index(batch_op.f("ix_action_event_id"))

    op.drop_table("action")
