"""Loading playbooks: what is right loads once, what is wrong is named."""

import shutil
from pathlib import Path

import pytest
import yaml

from overseen.agents.extractor.agent import Extractor
from overseen.agents.policy_lookup.agent import PolicyLookup
from overseen.agents.vision_checker.agent import VisionChecker
from overseen.domain.calls import Effect
from overseen.errors import Misconfigured, NotFound
from overseen.playbooks import Playbook, load_playbook, load_sample, load_samples
from overseen.tools.builtin.specs import BUILT_IN

CLAIMS = load_playbook("claims_intake")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the playbook without its samples."""
    ignore = shutil.ignore_patterns("samples")
    shutil.copytree(CLAIMS.folder, tmp_path / "claims_intake", ignore=ignore)
    return tmp_path


def change(folder: Path, **values: object) -> None:
    path = folder / "claims_intake" / "playbook.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**content, **values}), encoding="utf-8")


@pytest.mark.parametrize("agent", [Extractor, VisionChecker, PolicyLookup])
def test_the_playbook_and_each_agent_agree_on_needs_produces_and_tools(agent: type) -> None:
    card = CLAIMS.agent(agent.name)
    assert set(card.needs) == agent.needs
    assert set(card.produces) == agent.produces
    assert set(card.tools) == agent.tools


def test_the_playbook_and_the_tools_agree_on_effects() -> None:
    effects = {spec.name: spec.effect for spec in BUILT_IN}
    for effect, tools in CLAIMS.tools.items():
        assert {effects[tool] for tool in tools} == {effect}


def test_a_tool_is_allowed_only_with_its_own_effect() -> None:
    assert CLAIMS.allows("pay_settlement", Effect.IRREVERSIBLE)
    assert not CLAIMS.allows("pay_settlement", Effect.READ)
    assert not CLAIMS.allows("delete_everything", Effect.WRITE)


def test_an_unknown_playbook_is_not_found() -> None:
    with pytest.raises(NotFound, match="claims_intake"):
        load_playbook("no_such_playbook")


def test_a_name_that_climbs_out_of_the_folder_is_not_found(folder: Path) -> None:
    with pytest.raises(NotFound):
        load_playbook("../claims_intake", folder / "claims_intake")


def test_a_copy_of_the_playbook_loads(folder: Path) -> None:
    assert load_playbook("claims_intake", folder).rules == CLAIMS.rules


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"currency": "pounds"}, "currency"),
        ({"budget": {"cost_usd": 0.5}}, "budget.tokens"),
        ({"decision_facts": ["shoe_size"]}, "decision_facts: shoe_size"),
        ({"plan": [{"agent": "astrologer", "goal": "Guess."}]}, "plan: astrologer"),
        ({"rules": ["outcome"]}, "rules: boundary"),
        ({"rules": ["outcome", "boundary", "fees"]}, "fees.json: the file is missing"),
        ({"letters": {}}, "letters"),
        ({"colour": "blue"}, "colour"),
        ({"tools": {"read": ["read_document", "compute"]}}, "agents.vision_checker.tools"),
        ({"calls": {}}, "calls: pay_settlement, register_claim, write_to_claimant"),
        ({"edits": {"at_most": "policy_number"}}, "edits.at_most: policy_number"),
        ({"edits": {"at_most": "cover_limit", "may_add": ["fly"]}}, "edits.may_add: fly"),
        ({"tolerates": [{"outcome": "ask", "why": "x", "checks": ["secrets_in_output"]}]}, "secrets_in_output cannot"),
        ({"tolerates": [{"outcome": "settle", "why": "x", "checks": ["schema"]}]}, "where money is paid no check"),
        (
            {"tolerates": [{"outcome": "settle", "why": "x", "arguments": ["pay_settlement.payee"]}]},
            "tolerates.settle.up_to",
        ),
        (
            {
                "tolerates": [
                    {"outcome": "settle", "why": "x", "arguments": ["pay_settlement.payee"], "up_to": "1000.01"}
                ]
            },
            "tolerates.settle.up_to",
        ),
        ({"tolerates": [{"outcome": "ask", "why": "x", "colour": "blue"}]}, "tolerates.0.colour"),
        ({"name": "other"}, "name"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_field(folder: Path, values: dict[str, object], named: str) -> None:
    change(folder, **values)
    with pytest.raises(Misconfigured, match=named) as caught:
        load_playbook("claims_intake", folder)
    assert str(folder / "claims_intake") in caught.value.message


def test_a_table_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "claims_intake" / "rules" / "outcome.json").write_text("{", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"outcome\.json: it is no JSON"):
        load_playbook("claims_intake", folder)


def test_a_playbook_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        CLAIMS.currency = "EUR"  # type: ignore[misc]


def _sample(folder: Path, **values: object) -> Playbook:
    source = load_sample(CLAIMS, "car_door_plain").folder
    target = folder / "claims_intake" / "samples" / "car_door_plain"
    shutil.copytree(source, target)
    content = yaml.safe_load((target / "case.yaml").read_text(encoding="utf-8"))
    (target / "case.yaml").write_text(yaml.safe_dump({**content, **values}), encoding="utf-8")
    return load_playbook("claims_intake", folder)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"attachments": ["nowhere.pdf"]}, "nowhere.pdf"),
        ({"id": "another"}, "id"),
        ({"title": None}, "title"),
    ],
)
def test_a_sample_that_is_wrong_is_named(folder: Path, values: dict[str, object], named: str) -> None:
    playbook = _sample(folder, **values)
    with pytest.raises(Misconfigured, match=named):
        load_samples(playbook)


def test_an_unknown_sample_is_not_found() -> None:
    with pytest.raises(NotFound, match="no_such_case"):
        load_sample(CLAIMS, "no_such_case")
