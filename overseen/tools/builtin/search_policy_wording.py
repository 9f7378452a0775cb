"""The tool `search_policy_wording`, as it runs inside the sandbox."""

from typing import Any

from overseen.tools.sandbox.context import ToolContext

# Every shared word counts a little; a clause that holds the whole query, in the syntax of web searches, one more.
_QUERY = """
WITH asked AS (
    SELECT
        websearch_to_tsquery('english', %(query)s) AS whole,
        (
            SELECT string_agg(quote_literal(lexeme), ' | ') FROM unnest(to_tsvector('english', %(query)s))
        )::tsquery AS any_word
)
SELECT clause_id, title, body, effect,
       ts_rank(search, any_word) + (CASE WHEN search @@ whole THEN 1 ELSE 0 END) AS rank
FROM clauses, asked
WHERE kind = %(kind)s AND search @@ any_word
ORDER BY rank DESC, clause_id
LIMIT %(limit)s
"""
_DEFAULT_LIMIT = 5


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Clauses of that kind of policy that share words with the query, best first."""
    rows = context.database("insurer_read").query(
        _QUERY,
        {"query": arguments["query"], "kind": arguments["kind"], "limit": arguments.get("limit", _DEFAULT_LIMIT)},
    )
    return {"clauses": [{**row, "rank": round(float(row["rank"]), 5)} for row in rows]}
