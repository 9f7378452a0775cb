"""File names are content: kept as encrypted blobs.

The names that are there are encrypted by the first worker that starts, as a migration has no key.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("attachments", sa.Column("name_blob", sa.String(length=64), nullable=True))
    op.alter_column("attachments", "name", existing_type=sa.String(length=200), nullable=True)
