"""Edits that a second person decides, and decisions that did not hold"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("reviews", sa.Column("edited_by", sa.String(length=40), nullable=True))
    op.add_column("decisions", sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint("decisions_review_id_key", "decisions", type_="unique")
    op.create_index(
        "ix_decisions_in_force",
        "decisions",
        ["review_id"],
        unique=True,
        postgresql_where=sa.text("refused_at IS NULL"),
    )
