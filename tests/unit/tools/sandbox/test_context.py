"""What a tool may do with its context."""

import os
from pathlib import Path

import pytest

from overseen.tools.sandbox.context import ToolContext, ToolError


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "letter.txt").write_bytes(b"Dear Sirs")
    (tmp_path / "outside.txt").write_bytes(b"secret")
    return ToolContext(inputs=str(inputs), doors=str(tmp_path / "doors"), output_bytes=100)


def test_a_file_handed_in_is_read(context: ToolContext) -> None:
    assert context.file("letter.txt") == b"Dear Sirs"
    assert context.file_names == ("letter.txt",)


@pytest.mark.parametrize("name", ["", "../outside.txt", "/etc/passwd", ".hidden", "missing.txt", "-x"])
def test_other_files_are_not_found(context: ToolContext, name: str) -> None:
    with pytest.raises(ToolError) as caught:
        context.file(name)
    assert caught.value.code == "not_found"


def test_no_file_handed_in_is_no_error(tmp_path: Path) -> None:
    context = ToolContext(inputs=str(tmp_path / "none"), doors="", output_bytes=1)
    assert context.file_names == ()


def test_writing_a_file_again_replaces_it_and_frees_its_share(context: ToolContext) -> None:
    context.write_file("a", b"1" * 90)
    context.write_file("a", b"2" * 100)
    assert context.outputs == {"a": b"2" * 100}
    with pytest.raises(ToolError, match="larger"):
        context.write_file("b", b"3")


@pytest.mark.parametrize("name", ["../a", "", ".a", "a/b", "x" * 129, "ü"])
def test_a_result_cannot_have_a_name_that_is_a_path(context: ToolContext, name: str) -> None:
    with pytest.raises(ToolError) as caught:
        context.write_file(name, b"")
    assert caught.value.code == "bad_name"


def test_a_hard_link_is_not_collected(context: ToolContext, tmp_path: Path) -> None:
    os.link(tmp_path / "outside.txt", tmp_path / "link")
    with pytest.raises(ToolError) as caught:
        context.collect_file("out", tmp_path / "link")
    assert caught.value.code == "not_regular"


def test_a_door_that_was_not_given_is_refused(context: ToolContext) -> None:
    with pytest.raises(ToolError) as caught:
        context.database("insurer")
    assert caught.value.code == "no_door"
