"""What was live when a kill switch was pulled; authorizations by the call that used them"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("stops", sa.Column("leases_before", sa.Integer(), nullable=True))
    op.add_column("stops", sa.Column("calls_before", sa.Integer(), nullable=True))
    op.create_index("ix_authorizations_used_call_id", "authorizations", ["used_call_id"])
