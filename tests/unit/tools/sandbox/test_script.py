"""Scripts of agents: what they leave, print or raise is the answer."""

from pathlib import Path
from typing import Any

import pytest

from overseen.tools.builtin.script_shapes import ScriptResult
from overseen.tools.sandbox.context import ToolContext
from overseen.tools.sandbox.script import answer


def answered(code: str, tmp_path: Path, **arguments: Any) -> ScriptResult:
    context = ToolContext(inputs=str(tmp_path), doors=str(tmp_path), output_bytes=1000)
    return ScriptResult.model_validate(answer({"code": code, "arguments": arguments}, context))


def test_what_is_left_in_result_is_the_answer_with_what_was_printed(tmp_path: Path) -> None:
    found = answered("print('adding')\nresult = sum(arguments['amounts'])", tmp_path, amounts=[1, 2])
    assert (found.result, found.error, found.printed) == (3, None, "adding\n")


@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("x = 1\n\nresult = arguments['missing']", "KeyError", 3),
        ("def total():\n    return 1 / 0\n\nresult = total()", "ZeroDivisionError", 2),
        ("import json\nresult = json.loads('{')", "JSONDecodeError", 2),
        ("result = 1\nresult = (", "SyntaxError", 2),
        ("raise SystemExit(3)", "SystemExit", 1),
        ("raise ToolError('unreadable', 'no')", "ToolError", 1),
    ],
)
def test_an_error_is_the_scripts_own_with_its_line(tmp_path: Path, code: str, kind: str, line: int) -> None:
    found = answered(code, tmp_path)
    assert found.result is None
    assert found.error is not None
    assert (found.error.type, found.error.line) == (kind, line)


@pytest.mark.parametrize(
    "code",
    ["result = {1, 2}", "result = float('nan')", "result = '\\ud800'", "result = []\nresult.append(result)"],
)
def test_an_answer_that_is_no_json_is_an_error_that_says_so(tmp_path: Path, code: str) -> None:
    found = answered(code, tmp_path)
    assert found.error is not None


def test_prints_and_messages_are_cut_off(tmp_path: Path) -> None:
    found = answered("print('x' * 100000)\nraise ValueError('y' * 100000 + '\\ud800')", tmp_path)
    assert len(found.printed) == 4096
    assert found.error is not None
    assert len(found.error.message) == 500


def test_files_count_only_without_an_error(tmp_path: Path) -> None:
    context = ToolContext(inputs=str(tmp_path), doors=str(tmp_path), output_bytes=1000)
    answer({"code": "context.write_file('a.txt', b'1')\nraise ValueError"}, context)
    assert context.outputs == {}
