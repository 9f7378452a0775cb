"""The tool `list_prior_claims`, as it runs inside the sandbox."""

from typing import Any

from overseen.tools.sandbox.context import ToolContext

_QUERY = """
SELECT claim_id, incident_on, amount, status, registered_at
FROM claims WHERE policy_number = %s ORDER BY incident_on DESC, claim_id LIMIT 100
"""


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Claims on the policy, latest incident first."""
    return {"claims": context.database("insurer_read").query(_QUERY, [arguments["policy_number"]])}
