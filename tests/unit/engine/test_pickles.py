"""Whoever writes the database must not be able to run code in a worker."""

import base64
import pickle
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from dbos import _serialization as library

from overseen.engine.checkpoints import PlainStateSerializer
from overseen.engine.workflow_library import DBOSPortableJSONSerializer, PickleRefused
from overseen.errors import Defect


class Attack:
    """Makes a file when it is read back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    return tmp_path / "code-was-run"


@pytest.mark.parametrize("read", [library.deserialize_args, library.deserialize_value, library.deserialize_exception])
def test_a_row_that_says_pickle_is_refused_wherever_the_library_reads_one(read: Any, trap: Path) -> None:
    planted = base64.b64encode(pickle.dumps(Attack(trap))).decode()
    with pytest.raises(PickleRefused):
        read(planted, "py_pickle", DBOSPortableJSONSerializer())
    assert not trap.exists()


def test_what_became_of_such_a_row_is_noted_without_a_pickle() -> None:
    noted, _ = library.serialize_exception(ValueError("no"), "py_pickle", DBOSPortableJSONSerializer())
    assert noted == '{"refused": "no"}'


@pytest.mark.parametrize("kind", ["pickle", "json", "anything"])
def test_a_checkpoint_of_a_type_that_is_never_written_is_refused(kind: str, trap: Path) -> None:
    with pytest.raises(Defect):
        PlainStateSerializer().loads_typed((kind, pickle.dumps(Attack(trap))))
    assert not trap.exists()


def test_a_checkpoint_that_names_a_function_gets_no_call_of_it(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "false")
    call = ormsgpack.Ext(0, ormsgpack.packb(("os", "mkdir", str(trap))))
    PlainStateSerializer().loads_typed(("msgpack", ormsgpack.packb(call, default=None)))
    assert not trap.exists()


def test_plain_state_comes_back_as_it_was() -> None:
    state = {"run_id": "run_1", "round": 1, "outputs": {"1:a": {"facts_blob": "00"}}, "authorizations": ["a"]}
    serializer = PlainStateSerializer()
    assert serializer.loads_typed(serializer.dumps_typed(state)) == state
