"""Cases of an eval that come after another one, and ground that has forgotten the case before."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from overseen.errors import Misconfigured
from overseen.evals.ground import ProvingGround
from overseen.evals.suite import CaseRunner
from overseen.playbooks import load_playbook, load_sample
from overseen.playbooks.samples import SampleCase
from overseen.settings import DatabaseSettings
from overseen.stack.postgres import EmbeddedPostgres
from tests.contract.engine.house import REQUESTER, House
from tests.stack_fixtures import Insurer

CLAIMS = load_playbook("claims_intake")


@pytest.fixture
def runner(house: House, database_url: str, postgres_server: EmbeddedPostgres, insurer: Insurer) -> CaseRunner:
    settings: Any = SimpleNamespace(database=DatabaseSettings(url=SecretStr(database_url)))
    worker: Any = house
    return CaseRunner(ProvingGround(settings, postgres_server), worker, REQUESTER)


@pytest.fixture
def case() -> SampleCase:
    return load_sample(CLAIMS, "car_door_plain")


async def test_the_same_case_is_not_the_same_loss_in_the_next_eval(runner: CaseRunner, case: SampleCase) -> None:
    for _ in range(2):
        assert (await runner.run(case)).state == "settled"


async def test_the_case_before_is_decided_first_and_this_one_is_scored(
    runner: CaseRunner, house: House, case: SampleCase
) -> None:
    expected = replace(case.expected, findings=("same_loss",))
    again = replace(case, case_id="again", message="In other words.", expected=expected, previous=case)
    result = await runner.run(again)
    assert (result.case_id, result.state, result.boundary) == ("again", "waiting_review", "human_only")
    assert result.missing_findings == ()
    assert [call.tool for call in house.tools.calls].count("pay_settlement") == 1


def copied(folder: Path, previous: dict[str, str | None]) -> Any:
    """The playbook with copies of one case, each with the id of the case before it."""
    content = yaml.safe_load((CLAIMS.folder / "samples" / "home_ceiling_plain" / "case.yaml").read_text("utf-8"))
    for case_id, before in previous.items():
        (folder / "samples" / case_id).mkdir(parents=True)
        (folder / "samples" / case_id / "claim.eml").write_bytes(b"From: a\n\nb")
        named = {**content, "id": case_id} | ({"previous": before} if before else {})
        (folder / "samples" / case_id / "case.yaml").write_text(yaml.safe_dump(named))
    return CLAIMS.model_copy(update={"folder": folder})


def test_a_case_names_the_one_before_it(tmp_path: Path) -> None:
    loaded = load_sample(copied(tmp_path, {"first": None, "second": "first"}), "second")
    assert loaded.previous is not None
    assert loaded.previous.case_id == "first"


@pytest.mark.parametrize("cases", [{"one": "nowhere"}, {"one": "one"}, {"one": "two", "two": "one"}])
def test_a_case_before_that_cannot_be_is_refused(tmp_path: Path, cases: dict[str, str | None]) -> None:
    with pytest.raises(Misconfigured, match="previous"):
        load_sample(copied(tmp_path, cases), "one")
