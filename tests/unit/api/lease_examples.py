"""Leases in every state, for the formats they leave the house in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from overseen.api.reading.lease_views import LeaseView

ASKED = datetime(2026, 11, 22, 14, 0, 0, 250_000, tzinfo=UTC)

CLOSED = LeaseView(
    lease_id="lease_1",
    call_id="call_1",
    run_id="run_1",
    step_id="act",
    agent="supervisor",
    tool="pay_settlement",
    grants=("insurer_payments_write",),
    policies=("grant-insurer-payments-write",),
    paths=("database/creds/insurer-payments-write",),
    kind="database",
    region="local",
    requester="Rosa Lind",
    approver="René Okafor",
    worker_id="worker-1",
    state="closed",
    accessor="acc-1",
    vault_leases=("database/creds/insurer-payments-write/4Rk9",),
    principals=("v-insurer-pay-k2",),
    asked_at=ASKED,
    issued_at=ASKED + timedelta(milliseconds=50),
    used_at=ASKED + timedelta(milliseconds=90),
    expires_at=ASKED + timedelta(seconds=60),
    revoked_at=ASKED + timedelta(milliseconds=300),
    proven_gone_at=ASKED + timedelta(milliseconds=360),
    reason="call ended",
    overdue=False,
    lived_seconds=0.31,
)
LIVE = replace(CLOSED, state="issued", revoked_at=None, proven_gone_at=None, reason=None, used_at=None)
REVOKING = replace(CLOSED, state="revoking", proven_gone_at=None, reason="killed; not proven gone yet")
IRREVOCABLE = replace(REVOKING, state="irrevocable", kind="identity", vault_leases=(), principals=())
TOKEN_ONLY = replace(CLOSED, grants=(), policies=(), paths=(), kind="token", principals=(), approver=None)
REFUSED = replace(
    CLOSED,
    state="refused",
    accessor=None,
    principals=(),
    vault_leases=(),
    issued_at=None,
    used_at=None,
    expires_at=None,
    revoked_at=None,
    proven_gone_at=None,
    lived_seconds=None,
    requester=None,
    reason="vault_sealed: Vault is sealed.",
)
INTENT = replace(REFUSED, state="intent", reason=None)
ALL = {
    "closed": CLOSED,
    "live": LIVE,
    "revoking": REVOKING,
    "irrevocable": IRREVOCABLE,
    "token only": TOKEN_ONLY,
    "refused": REFUSED,
}
