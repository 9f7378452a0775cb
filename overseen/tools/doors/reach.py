"""What statements touch, and what a role may touch: asked of the database itself, once for each statement and grant.

Both are names of tables with what is done to them, such as {"public.policies": ["select"]}: what the least privilege
report compares. Nothing here decides anything; the role's rights do.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg

Tables = dict[str, list[str]]
Parameters = Sequence[Any] | Mapping[str, Any] | None

_MOST_REMEMBERED = 1000
_SECONDS = 1.0
_ALLOWED = """
SELECT table_schema || '.' || table_name, array_agg(DISTINCT lower(privilege_type) ORDER BY lower(privilege_type))
FROM information_schema.role_table_grants
WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Touched:
    """Tables that statements touched. `unexplained` counts statements of which it could not be found out."""

    tables: Tables
    unexplained: int


class Reach:
    """Asks and remembers, for all doors of a process. What the database did not say is not remembered."""

    def __init__(self) -> None:
        self._touched: dict[str, Tables] = {}
        self._allowed: dict[str, Tables] = {}

    async def touched(self, connection: psycopg.AsyncConnection[Any], statements: Mapping[str, Parameters]) -> Touched:
        """What these statements, all of which were executed, touch. Takes at most a second in all."""
        found: Tables = {}
        unexplained = 0
        deadline = asyncio.get_running_loop().time() + _SECONDS
        for sql, parameters in statements.items():
            tables = await self._of_statement(connection, sql, parameters, deadline)
            if tables is None:
                unexplained += 1
                continue
            for name, operations in tables.items():
                found[name] = sorted({*found.get(name, ()), *operations})
        return Touched(tables=found, unexplained=unexplained)

    async def allowed(self, connection: psycopg.AsyncConnection[Any], grant: str) -> Tables:
        """What the role behind `connection` may touch; remembered by `grant`, whose roles are all alike."""
        if grant not in self._allowed:
            rows = await _rows(connection, _ALLOWED, None, asyncio.get_running_loop().time() + _SECONDS)
            if not rows:
                return {}
            self._allowed[grant] = {str(name): list(privileges) for name, privileges in rows}
        return self._allowed[grant]

    async def _of_statement(
        self, connection: psycopg.AsyncConnection[Any], sql: str, parameters: Parameters, deadline: float
    ) -> Tables | None:
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if digest in self._touched:
            return self._touched[digest]
        # Planned, never executed: EXPLAIN without ANALYZE has no effect.
        rows = await _rows(connection, f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {sql}", parameters, deadline)
        if not rows:
            return None
        tables = _merged(_tables_of(_plan(rows)))
        if len(self._touched) < _MOST_REMEMBERED:
            self._touched[digest] = tables
        return tables


async def _rows(
    connection: psycopg.AsyncConnection[Any], sql: str, parameters: Parameters, deadline: float
) -> list[Any]:
    """The rows, or none where the database does not say, or not in time."""
    with contextlib.suppress(psycopg.Error, TimeoutError):
        async with asyncio.timeout_at(deadline), connection.cursor() as cursor:
            await cursor.execute(cast(LiteralString, sql), parameters)
            return await cursor.fetchall()
    return []


def _plan(rows: Sequence[Any]) -> Any:
    told = rows[0][0]
    return json.loads(told) if isinstance(told, str) else told


def _tables_of(node: Any) -> Iterator[tuple[str, str]]:
    """Every table of a plan with what is done to it."""
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            yield from _tables_of(item)
    elif isinstance(node, dict):
        part = cast("dict[str, Any]", node)
        if "Relation Name" in part:
            name = f"{part.get('Schema', 'public')}.{part['Relation Name']}"
            yield name, str(part.get("Operation", "select")).lower()
            if "Operation" in part and (part.get("Output") or "Conflict Resolution" in part):
                # To return rows or to look for conflicts the table is read as well.
                yield name, "select"
        for inner in part.values():
            if isinstance(inner, list | dict):
                yield from _tables_of(inner)


def _merged(pairs: Iterator[tuple[str, str]]) -> Tables:
    found: Tables = {}
    for name, done in pairs:
        found[name] = sorted({*found.get(name, ()), done})
    return found
