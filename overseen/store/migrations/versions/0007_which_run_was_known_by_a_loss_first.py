"""What runs are known by, so that one loss is not paid twice; and whose records an account may see."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("email", sa.String(length=254), nullable=True))
    op.create_unique_constraint("accounts_email_key", "accounts", ["email"])
    op.create_table(
        "loss_keys",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=40), sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", "run_id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index(op.f("ix_loss_keys_run_id"), "loss_keys", ["run_id"])
    op.create_table(
        "loss_matches",
        sa.Column("run_id", sa.String(length=40), sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("earlier_run_id", sa.String(length=40), sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "earlier_run_id", "title"),
    )
    op.create_index(op.f("ix_loss_matches_earlier_run_id"), "loss_matches", ["earlier_run_id"])
