"""The tool `pay_settlement`, as it runs inside the sandbox."""

from typing import Any

from overseen.tools.builtin.references import claim_reference, reference
from overseen.tools.sandbox.context import ToolContext, ToolError

_INSERT = """
INSERT INTO payments (payment_id, policy_number, claim_id, payee, amount, currency, idempotency_key)
VALUES (%(payment_id)s, %(policy_number)s, %(claim_id)s, %(payee)s, %(amount)s, %(currency)s, %(idempotency_key)s)
ON CONFLICT DO NOTHING
RETURNING payment_id, claim_id, paid_at
"""
_FIND = "SELECT payment_id, claim_id, paid_at FROM payments WHERE idempotency_key = %s"


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Pay, or find it paid by an earlier try of the same call. A claim that was paid otherwise is not paid again."""
    key = arguments["idempotency_key"]
    database = context.database("insurer_pay")
    rows = database.query(
        _INSERT,
        {
            "payment_id": reference("PAY", key),
            "policy_number": arguments["policy_number"],
            "claim_id": arguments.get("claim_id") or claim_reference(arguments["run_id"]),
            "payee": arguments["payee"],
            "amount": arguments["amount"],
            "currency": arguments["currency"],
            "idempotency_key": key,
        },
    )
    if rows:
        return {**rows[0], "already_there": False}
    rows = database.query(_FIND, [key])
    if not rows:
        raise ToolError("payment_exists", "This claim was paid before, by another call.")
    return {**rows[0], "already_there": True}
