"""The tool `find_duplicate_photos`, as it runs inside the sandbox."""

from typing import Any

from overseen.tools.sandbox.context import ToolContext

MOST_PHASH_BITS = 8
"""Copies that were resized or saved anew differ in up to 6 of 64 bits; other photos hardly ever in fewer than 18."""
MOST_DHASH_BITS = 12
"""A second, independent hash must agree, or photos with the same rough shape would match."""

_QUERY = """
SELECT claim_id, photo_name, distance, dhash_distance
FROM (
    SELECT claim_id, photo_name,
           bit_count(('x' || phash)::bit(64) # ('x' || %(phash)s)::bit(64)) AS distance,
           bit_count(('x' || dhash)::bit(64) # ('x' || %(dhash)s)::bit(64)) AS dhash_distance
    FROM claim_photos
) AS compared
WHERE distance <= %(most_phash)s AND dhash_distance <= %(most_dhash)s
ORDER BY distance, dhash_distance, claim_id, photo_name
LIMIT 20
"""


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Photos of earlier claims that look the same, most alike first."""
    rows = context.database("insurer_read").query(
        _QUERY,
        {
            "phash": arguments["phash"],
            "dhash": arguments["dhash"],
            "most_phash": MOST_PHASH_BITS,
            "most_dhash": MOST_DHASH_BITS,
        },
    )
    return {"matches": rows}
