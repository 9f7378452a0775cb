import pytest

from overseen.supervisor.planning import (
    UnreadablePlan,
    check_plan,
    parse_plan,
    plan_schema,
    playbook_plan,
    ready_steps,
)
from tests.unit.supervisor.cases import PLAYBOOK


def plan_of(*agents: str) -> dict[str, object]:
    return {"steps": [{"agent": agent, "goal": "Do your part."} for agent in agents]}


def test_the_playbooks_own_plan_holds() -> None:
    plan = playbook_plan(PLAYBOOK)
    assert check_plan(PLAYBOOK, plan) == ()
    assert plan.origin == "playbook"


def test_the_schema_names_the_agents_of_the_playbook_only() -> None:
    step = plan_schema(PLAYBOOK)["properties"]["steps"]["items"]
    assert step["properties"]["agent"]["enum"] == ["extractor", "vision_checker", "policy_lookup"]


def test_the_order_follows_from_facts_and_not_from_the_answer() -> None:
    plan = parse_plan(PLAYBOOK, plan_of("policy_lookup", "vision_checker", "extractor"), "model")
    assert [step.agent for step in plan.steps] == ["extractor", "policy_lookup", "vision_checker"]
    assert check_plan(PLAYBOOK, plan) == ()


def test_a_plan_without_an_agent_that_is_needed_does_not_hold() -> None:
    plan = parse_plan(PLAYBOOK, plan_of("extractor", "vision_checker"), "model")
    assert "excess" in " ".join(check_plan(PLAYBOOK, plan))


def test_a_step_whose_facts_nobody_produces_before_it_does_not_hold() -> None:
    plan = parse_plan(PLAYBOOK, plan_of("policy_lookup", "vision_checker"), "model")
    assert any(problem.startswith("policy_lookup needs claim_kind") for problem in check_plan(PLAYBOOK, plan))


def test_an_agent_asked_twice_does_not_hold() -> None:
    plan = parse_plan(PLAYBOOK, plan_of("extractor", "extractor", "vision_checker", "policy_lookup"), "model")
    assert "extractor is asked twice." in check_plan(PLAYBOOK, plan)


@pytest.mark.parametrize(
    "data", [None, [], {"steps": []}, {"steps": [{"agent": "hacker", "goal": "x"}]}, {"steps": "x"}]
)
def test_what_is_no_plan_of_this_playbook_is_refused(data: object) -> None:
    with pytest.raises(UnreadablePlan):
        parse_plan(PLAYBOOK, data, "model")


def test_steps_that_do_not_need_each_other_are_ready_together() -> None:
    plan = playbook_plan(PLAYBOOK)
    first = ready_steps(plan, [])
    assert [step.agent for step in first] == ["extractor"]
    after = ready_steps(plan, [first[0].step_id])
    assert {step.agent for step in after} == {"vision_checker", "policy_lookup"}
    assert ready_steps(plan, [step.step_id for step in plan.steps]) == ()
