"""The extractor, the policy lookup and the planner on the real local model.

Runs where the model file is: OVERSEEN_MODEL_FILE, or the data folder of an `overseen up`. Takes about a minute.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from overseen.agents.extractor.agent import Extractor
from overseen.agents.policy_lookup.agent import PolicyLookup
from overseen.guardrails import standard_suite
from overseen.models.openai_route import OpenAIRoute
from overseen.models.schema_check import SchemaCheckedModel
from overseen.models.types import ModelPort, ModelRequest, RouteProfile
from overseen.playbooks import load_playbook
from overseen.prompts import PromptLibrary
from overseen.settings import default_home
from overseen.stack.model import LOCAL_MODEL
from overseen.stack.processes import free_port
from overseen.supervisor.planner import Planner
from overseen.supervisor.planning import check_plan
from tests.unit.agents.situations import (
    BILL,
    LETTER,
    MemoryBlobs,
    MemoryTools,
    attachment,
    conclude,
    known,
    read_result,
    situation,
    values,
)
from tests.unit.agents.test_policy_lookup import FACTS, record

pytestmark = [pytest.mark.llm, pytest.mark.slow]

# Read here because the tests themselves run without the machine's settings.
_WEIGHTS = Path(os.environ.get("OVERSEEN_MODEL_FILE") or default_home() / "model" / LOCAL_MODEL.file_name)
_KEY = "a key of the tests"
PROMPTS = PromptLibrary()
SUITE = standard_suite()
LETTER_FILE = attachment("letter.txt", "text/plain")
BILL_FILE = attachment("estimate.pdf", "application/pdf")


class _NoFailures:
    async def record_failure(self, request: ModelRequest, failure: object, **more: object) -> None:
        raise AssertionError(f"The model broke the schema of {request.purpose}: {failure}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModelPort]:
    """The local model behind the same route that `overseen up` uses."""
    if not _WEIGHTS.is_file():
        pytest.skip(f"{_WEIGHTS} is not there; set OVERSEEN_MODEL_FILE")
    folder, port = tmp_path_factory.mktemp("model"), free_port()
    content = {
        "weights": str(_WEIGHTS),
        "name": LOCAL_MODEL.name,
        "port": port,
        "api_key": _KEY,
        "slots": 1,
        "slot_tokens": 8192,
        "threads": os.cpu_count() or 1,
    }
    (folder / "server.json").write_text(json.dumps(content))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-m", "overseen.stack.model_server", folder], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/v1"
    profile = RouteProfile(name="local", model=LOCAL_MODEL.name, regions=frozenset({"local"}))
    route = OpenAIRoute(profile, address, blobs=MemoryBlobs(), api_key=_KEY)
    try:
        await _until_ready(address)
        yield SchemaCheckedModel(route, _NoFailures())
    finally:
        await route.close()
        server.terminate()
        server.wait()


async def _until_ready(address: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {_KEY}"}, trust_env=False) as client:
        for _ in range(600):
            try:
                if (await client.get(f"{address}/models")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)
    raise AssertionError("The model server did not come up.")


async def test_a_plain_letter_is_read_right(model: ModelPort) -> None:
    agent = Extractor(model, PROMPTS, MemoryBlobs(), SUITE)
    files = {
        LETTER_FILE.blob: {"read_document": read_result(LETTER)},
        BILL_FILE.blob: {"read_document": read_result(BILL)},
    }
    found = await conclude(agent, situation(agent, attachments=(LETTER_FILE, BILL_FILE)), MemoryTools({}, files))
    expected = {
        "policy_number": "CAR-2214-KL",
        "claim_kind": "car",
        "incident_date": "2026-10-14",
        "claimed_amount": Decimal("742.80"),
        "injury_reported": False,
        "claims_count": 1,
    }
    assert {name: values(found)[name] for name in expected} == expected
    assert all((fact.confidence or 0) >= 0.9 for fact in found.facts if fact.name in expected)


async def test_an_injury_is_noticed(model: ModelPort) -> None:
    agent = Extractor(model, PROMPTS, MemoryBlobs(), SUITE)
    hurt = LETTER.replace(
        "Nobody was in the car and nobody was hurt.", "My daughter was taken to hospital with a broken arm."
    )
    tools = MemoryTools({}, {LETTER_FILE.blob: {"read_document": read_result(hurt)}})
    found = await conclude(agent, situation(agent, attachments=(LETTER_FILE,)), tools)
    assert values(found)["injury_reported"] is True


async def test_the_clause_that_fits_is_chosen(model: ModelPort) -> None:
    agent = PolicyLookup(model, PROMPTS, SUITE)
    story = "I left my car in the car park. When I came back there was a dent in the driver's door."
    facts = {**FACTS, "incident_story": known("incident_story", story)}
    found = await conclude(agent, situation(agent, facts=facts), record())
    assert values(found)["clause"] == "A2"


async def test_the_plan_holds(model: ModelPort) -> None:
    playbook = load_playbook("claims_intake")
    plan = await Planner(model, PROMPTS).propose(
        playbook,
        run_id="run_1",
        region="local",
        message="Somebody dented my door. Letter, estimate and a photo are attached.",
        attachments=[LETTER_FILE, BILL_FILE],
    )
    assert check_plan(playbook, plan) == ()
