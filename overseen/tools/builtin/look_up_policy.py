"""The tool `look_up_policy`, as it runs inside the sandbox."""

from typing import Any

from overseen.tools.sandbox.context import ToolContext

_QUERY = """
SELECT policy_number, kind, holder, holder_email, status, starts_on, ends_on, excess, cover_limit, currency, region
FROM policies WHERE policy_number = %s
"""


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """The policy of that number, written in whatever case and with spaces around."""
    number = arguments["policy_number"].strip().upper()
    rows = context.database("insurer_read").query(_QUERY, [number])
    return {"found": bool(rows), "policy": rows[0] if rows else None}
