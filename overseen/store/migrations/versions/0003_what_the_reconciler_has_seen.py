"""What the reconciler has seen of Vault's records"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "vault_sightings",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.String(length=120), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_vault_sightings_token_hash", "vault_sightings", ["token_hash"])
    op.create_index("ix_vault_sightings_at", "vault_sightings", ["at"])
    op.create_table(
        "audit_positions",
        sa.Column("reader", sa.String(length=40), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_to", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reader"),
    )
    op.create_index("ix_leases_asked_at", "leases", ["asked_at"])
    op.create_index("ix_leases_vault_leases", "leases", ["vault_leases"], postgresql_using="gin")
