"""How a decision reached the house, and by which user of the machine"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("decisions", sa.Column("channel", sa.String(length=20), nullable=True))
    op.add_column("decisions", sa.Column("os_user", sa.String(length=120), nullable=True))
