"""Scripts that agents write, through the gateway: `compute` in Monty, `python` in bubblewrap."""

import json
import sys
from typing import Any

import pytest

from overseen.domain.calls import FileInput
from overseen.tools.errors import ToolFailed, ToolRefused
from overseen.tools.sandbox import SandboxUnavailable
from overseen.tools.sandbox.monty import MontyBackend
from tests.contract.tools.conftest import House, MakeHouse

ADD_UP = """
from decimal import Decimal
total = sum((Decimal(line["amount"]) for line in arguments["lines"]), Decimal("0"))
result = {"total": str(total), "agrees": total == Decimal(arguments["stated"])}
"""
LINES = {"lines": [{"amount": "120.50"}, {"amount": "79.40"}, {"amount": "0.10"}], "stated": "200.00"}
ESTIMATE = b"""Harper Bodyworks, estimate 118
Door panel;412.00
Paint and materials;186.50
Labour 4 h;240.00
Total;838.50
"""
ADD_UP_FILE = """
lines = [line.split(";") for line in context.file("estimate.txt").decode().splitlines()[1:]]
cents = {name: round(float(amount) * 100) for name, amount in lines}
stated = cents.pop("Total")
context.write_file("sums.json", __import__("json").dumps(cents).encode())
result = {"sum": sum(cents.values()), "stated": stated}
"""


@pytest.mark.parametrize("tool", ["compute", "python"])
async def test_a_script_adds_up_what_it_is_given(house: House, tool: str) -> None:
    result = await house.use(tool, {"code": ADD_UP, "arguments": LINES})
    assert result.value == {"result": {"total": "200.00", "agrees": True}, "error": None, "printed": ""}


async def test_a_script_reads_files_and_gives_one_back(house: House) -> None:
    blob = await house.blobs.put(ESTIMATE, "text/plain")
    files = (FileInput(name="estimate.txt", blob=blob),)
    result = await house.use("python", {"code": ADD_UP_FILE, "arguments": {}}, files=files)
    assert result.value["result"] == {"sum": 83850, "stated": 83850}
    assert json.loads(await house.blobs.get(result.blobs["sums.json"]))["Labour 4 h"] == 24000


@pytest.mark.parametrize("tool", ["compute", "python"])
@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("x = 1\n\nresult = arguments['missing']", "KeyError", 3),
        ("def total():\n    return 1 // 0\n\nresult = total()", "ZeroDivisionError", 2),
        ("result = 1\nresult = (", "SyntaxError", 2),
    ],
)
async def test_the_agent_is_told_its_own_error_and_where_it_is(
    house: House, tool: str, code: str, kind: str, line: int
) -> None:
    result = await house.use(tool, {"code": code, "arguments": {}})
    assert result.value["result"] is None
    assert (result.value["error"]["type"], result.value["error"]["line"]) == (kind, line)
    assert "overseen" not in json.dumps(result.value)


@pytest.mark.parametrize("tool", ["compute", "python"])
async def test_an_answer_that_is_no_json_is_the_scripts_error(house: House, tool: str) -> None:
    result = await house.use(tool, {"code": "from decimal import Decimal\nresult = Decimal('1')", "arguments": {}})
    assert result.value["error"] is not None


@pytest.mark.parametrize(
    ("tool", "code"),
    [
        ("compute", "import os\nresult = os.listdir('/')"),
        ("compute", "result = open('/etc/passwd').read()"),
        ("compute", "import socket"),
        ("python", "import socket\nsocket.create_connection(('127.0.0.1', 80), 1)"),
        ("python", "open('/etc/shadow').read()"),
        ("python", "import subprocess\nsubprocess.run(['/usr/bin/id'], check=True)"),
        ("python", "context.database('insurer_read')"),
        ("python", "context.http('kv_write_to_claimant')"),
    ],
)
async def test_a_script_can_do_nothing_else(house: House, tool: str, code: str) -> None:
    result = await house.use(tool, {"code": code, "arguments": {}})
    assert result.value["error"] is not None


@pytest.mark.parametrize(
    ("tool", "code", "limit"),
    [
        ("compute", "while True: pass", "cpu_seconds"),
        ("compute", "result = 'x' * 3_000_000", "output_bytes"),
        ("python", "import os\nos.kill(os.getpid(), 9)", None),
        ("python", "result = 'x' * 20_000_000", "output_bytes"),
    ],
)
async def test_a_script_that_takes_too_much_is_ended(house: House, tool: str, code: str, limit: str | None) -> None:
    with pytest.raises(ToolFailed) as caught:
        await house.use(tool, {"code": code, "arguments": {}})
    assert caught.value.context.get("limit") == limit


@pytest.mark.parametrize(
    "arguments", [{"code": ""}, {"code": "x" * 20_001}, {"code": "1", "arguments": {"a": "x" * 300_000}}]
)
async def test_scripts_and_what_they_are_given_have_a_length(house: House, arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolRefused) as caught:
        await house.use("python", arguments)
    assert caught.value.rule == "policy"


async def test_a_script_and_its_answer_are_in_the_journal_as_digests_only(house: House) -> None:
    await house.use("compute", {"code": "result = 'Priya Raman'", "arguments": {}})
    entries = await house.journal.entries(house.run_id)
    assert [entry.kind for entry in entries if entry.kind.startswith("Call")] == ["CallStarted", "CallFinished"]
    assert "Priya" not in json.dumps([entry.payload for entry in entries])


async def test_without_monty_the_error_names_the_extra_to_install(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    backend = MontyBackend()
    house = make_house(sandbox=backend)
    with pytest.raises(SandboxUnavailable, match=r"overseen\[monty\]"):
        await house.use("compute", {"code": "result = 1", "arguments": {}})
    await backend.close()
