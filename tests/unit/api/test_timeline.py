"""Journal entries become one plain sentence each."""

import pytest

from overseen.api.reading.timeline import timeline
from overseen.journal import Entry
from overseen.store.tables import now

HTTP = {"kind": "http", "host": "quotes.example", "method": "GET", "path": "/v1/quotes"}
DATABASE = {"kind": "database", "statements": 2, "failed": 1, "rows": 1, "tables": {"public.policies": ["select"]}}


@pytest.mark.parametrize(
    ("payload", "sentence", "tone"),
    [
        (
            {"allowed": True, "detail": {**HTTP, "status": 200}},
            "Used the door d: GET quotes.example/v1/quotes, 200",
            "",
        ),
        (
            {"allowed": False, "detail": {**HTTP, "reason": "path_not_allowed"}},
            "Was denied the door d: GET quotes.example/v1/quotes (path not allowed)",
            "stopped",
        ),
        ({"allowed": True, "detail": DATABASE}, "Used the door d: 2 statements, 1 failed, 1 row of policies", ""),
        ({"allowed": True, "detail": {}}, "Used the door d", ""),
    ],
)
def test_a_door_says_what_went_through_it(payload: dict[str, object], sentence: str, tone: str) -> None:
    entry = Entry(
        stream="run_a",
        sequence=1,
        entry_id=1,
        at=now(),
        kind="DoorRequest",
        actor="agent:extractor",
        payload={"door": "d", **payload},
        previous_hash="",
        hash="",
    )
    (told,) = timeline([entry])
    assert (told.sentence, told.tone) == (sentence, tone or "ended")
