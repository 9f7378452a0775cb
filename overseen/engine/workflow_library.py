"""The workflow library, with its pickles taken out: every import of DBOS goes through here.

The library honours the `serialization` of each row over the serializer that was configured, so whoever may write a row
could have a pickle loaded, and thereby code run, in every worker and client. Both ways of its pickling are replaced
before the first of them exists.
"""

import json
from typing import Any, ClassVar, NoReturn

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from dbos._serialization import DefaultSerializer  # the only name under which the library can be kept from pickles

from overseen.errors import OverseenError, WhoActs

__all__ = ["DBOS", "DBOSClient", "DBOSConfig", "DBOSPortableJSONSerializer", "EnqueueOptions", "PickleRefused"]


class PickleRefused(OverseenError):
    """A row of the workflow tables says that it holds a pickle. Overseen writes none, so somebody else did."""

    code: ClassVar[str] = "pickle_refused"
    who_acts: ClassVar[WhoActs] = WhoActs.OPERATOR


def _refuse(cls: DefaultSerializer, serialized_data: str) -> NoReturn:  # noqa: ARG001 - the library's own names
    raise PickleRefused(
        "A row of the workflow tables holds a pickle, and Overseen never wrote it.",
        not_done="It was not read, and what it asked for was not run.",
        next_step="Find out who can write the database; the row is kept, with the state ERROR.",
    )


def _as_json(self: DefaultSerializer, data: Any) -> str:  # noqa: ARG001
    """How the library notes what became of such a row: its own form would be a pickle again."""
    return json.dumps({"refused": str(data)})


DefaultSerializer.deserialize = _refuse
DefaultSerializer.serialize = _as_json
