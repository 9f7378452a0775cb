"""Whose turn it is at a model, how far each call has come, and how long each run has worked"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Unlogged: a row means nothing after its process has ended, so the database need not keep it over a crash.
    op.create_table(
        "model_turns",
        sa.Column("turn_id", sa.String(length=40), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("step_id", sa.String(length=40), nullable=False),
        sa.Column("agent", sa.String(length=60), nullable=False),
        sa.Column("purpose", sa.String(length=80), nullable=False),
        sa.Column("route", sa.String(length=80), nullable=False),
        sa.Column("holder", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_token_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("usual_seconds", sa.Float(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("turn_id"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_model_turns_route", "model_turns", ["route", "asked_at"])
    op.create_index("ix_model_turns_run_id", "model_turns", ["run_id"])
    op.create_table(
        "run_times",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("work_seconds", sa.Float(), nullable=False),
        sa.Column("queue_seconds", sa.Float(), nullable=False),
        sa.Column("work_seconds_now", sa.Float(), nullable=False),
        sa.Column("queue_seconds_now", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index("ix_model_calls_pace", "model_calls", ["route", "purpose", "created_at"])
