"""The local model writes a script for the tool `python` that adds up an estimate, mends it if need be, and is right.

Runs where the model file is, as the other tests of the local model. Takes about half a minute.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from overseen.models.types import Message, MessageRole, ModelPort, ModelRequest
from overseen.tools.builtin.script_shapes import SCRIPT_TOOLS, ScriptArguments, ScriptResult
from overseen.tools.sandbox import BubblewrapBackend, SandboxJob
from tests.contract.sandbox.backends import SHARED_FOLDER
from tests.system.test_agents_llm import model  # noqa: F401 - a fixture

pytestmark = [pytest.mark.llm, pytest.mark.slow]

PYTHON = next(spec for spec in SCRIPT_TOOLS if spec.name == "python")
ESTIMATE = b"""description;quantity;unit_price
Remove trim, pull dent (hours);5;48.00
Fill, prime and flat (hours);2.5;48.00
Paint door and blend;1;214.00
Paint and materials;1;45.00
"""
SUM = 619.0
TASK = """Write a short Python script. It starts with these two lines:
text = context.file("estimate.csv").decode()
stated = arguments["stated"]
The text has a header line, then one line for each item with three fields separated by semicolons:
description;quantity;unit_price
Go through text.splitlines()[1:]. Convert both numbers with float(). Add up quantity times unit_price of all items.
The last line of the script sets result to a dictionary with the keys "sum" (the sum) and "agrees" (whether it equals
stated). Use no imports and no functions. Answer with the script alone."""
_FENCE = re.compile(r"^\s*```.*$", re.MULTILINE)
_TRIES = 3


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[BubblewrapBackend]:
    backend = BubblewrapBackend(Path(SHARED_FOLDER), distributions=())
    yield backend
    await backend.close()


async def write_script(model: ModelPort, said: list[Message], place: int) -> str:  # noqa: F811
    answer = await model.complete(
        ModelRequest(
            run_id="run_1",
            step_id="1",
            agent="extractor",
            purpose="write_script",
            ordinal=place,
            messages=tuple(said),
            max_tokens=600,
            region="local",
        )
    )
    # However it is told, it likes to fence what it writes.
    return _FENCE.sub("", answer.text)


async def run_script(sandbox: BubblewrapBackend, code: str) -> ScriptResult:
    request = ScriptArguments(code=code, arguments={"stated": SUM}).model_dump(mode="json")
    job = SandboxJob(
        call_id="call_1",
        entry=PYTHON.entry,
        request=request,
        files={"estimate.csv": ESTIMATE},
        profile=PYTHON.profile,
    )
    return ScriptResult.model_validate((await sandbox.run(job)).value)


async def test_a_script_of_the_model_adds_up_an_estimate(model: ModelPort, sandbox: BubblewrapBackend) -> None:  # noqa: F811
    said = [Message(role=MessageRole.USER, text=TASK)]
    for place in range(_TRIES):
        code = await write_script(model, said, place)
        ran = await run_script(sandbox, code)
        if ran.error is None:
            assert isinstance(ran.result, dict), code
            assert ran.result.get("sum") == pytest.approx(SUM)
            assert ran.result.get("agrees") is True
            return
        # What an agent would be told: its own error and the line, nothing of ours.
        told = (
            f"Your script failed in line {ran.error.line} with {ran.error.type}: {ran.error.message}. Write it again."
        )
        said += [Message(role=MessageRole.ASSISTANT, text=code), Message(role=MessageRole.USER, text=told)]
    raise AssertionError(f"No script ran: {ran.error} in\n{code}")
