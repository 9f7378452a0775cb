"""Where a graph's state is kept between its nodes, and how it is read back: plain values only, whatever a row says."""

from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg_pool import AsyncConnectionPool

from overseen.errors import Defect

_WRITTEN = frozenset({"null", "bytes", "bytearray", "msgpack"})
"""What the graph library writes today. Its older `json` builds objects that a row names, `pickle` runs code."""


class PlainStateSerializer(JsonPlusSerializer):
    """Reads back values and the graph library's own types; any other type in a row is refused instead of imported."""

    def __init__(self) -> None:
        # Said here and not by an environment variable, which whoever starts a worker could have set to the contrary.
        super().__init__(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value in `data`, (type, bytes). Raises Defect for a type that Overseen does not write."""
        if data[0] not in _WRITTEN:
            raise Defect(
                f"A checkpoint is of the type {data[0]!r}, and Overseen never writes that.",
                not_done="It was not read, and the run did not go on.",
                next_step="Find out who can write the database.",
            )
        return super().loads_typed(data)


def state_saver(pool: AsyncConnectionPool[Any]) -> AsyncPostgresSaver:
    """A saver for one run. Of its own, as a shared one holds a lock around its pool."""
    return AsyncPostgresSaver(pool, serde=PlainStateSerializer())
