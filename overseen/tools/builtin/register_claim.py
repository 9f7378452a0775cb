"""The tool `register_claim`, as it runs inside the sandbox."""

from typing import Any

from overseen.tools.builtin.references import claim_reference
from overseen.tools.sandbox.context import ToolContext, ToolError

# One statement, so that a claim is never there without its photos.
_INSERT = """
WITH claim AS (
    INSERT INTO claims (claim_id, policy_number, incident_on, amount, status, idempotency_key)
    VALUES (%(claim_id)s, %(policy_number)s, %(incident_date)s, %(amount)s, %(status)s, %(idempotency_key)s)
    ON CONFLICT DO NOTHING
    RETURNING claim_id
), photo AS (
    INSERT INTO claim_photos (claim_id, photo_name, phash, dhash)
    SELECT claim.claim_id, given.name, given.phash, given.dhash
    FROM claim, unnest(%(names)s::text[], %(phashes)s::text[], %(dhashes)s::text[]) AS given (name, phash, dhash)
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT claim_id, (SELECT count(*) FROM photo) AS photos FROM claim
"""
_FIND = """
SELECT claim_id, (SELECT count(*) FROM claim_photos WHERE claim_photos.claim_id = claims.claim_id) AS photos
FROM claims WHERE idempotency_key = %s
"""


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Register the claim, or find it registered by an earlier try of the same call.

    The insurer's records refuse a second settled claim of the same policy, day and amount.
    """
    database = context.database("insurer_claims_write")
    photos = arguments.get("photos", [])
    rows = database.query(
        _INSERT,
        {
            "claim_id": claim_reference(arguments["run_id"]),
            "policy_number": arguments["policy_number"],
            "incident_date": arguments["incident_date"],
            "amount": arguments["amount"],
            "status": arguments["status"],
            "idempotency_key": arguments["idempotency_key"],
            "names": [photo["name"] for photo in photos],
            "phashes": [photo["phash"] for photo in photos],
            "dhashes": [photo["dhash"] for photo in photos],
        },
    )
    if rows:
        return {**rows[0], "already_there": False}
    rows = database.query(_FIND, [arguments["idempotency_key"]])
    if not rows:
        raise ToolError(
            "claim_exists",
            "A claim of this policy, day and amount is settled already, or this run registered another one.",
        )
    return {**rows[0], "already_there": True}
