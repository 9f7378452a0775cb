"""The policy wrapper: the answer is no unless everything says yes."""

import pytest

from overseen.domain.calls import ToolCall
from overseen.tools.errors import ToolRefused
from overseen.tools.gateway.policy import PolicedCalls, check_arguments
from overseen.tools.registry import load_registry
from tests.tool_doubles import REGISTRY, AnsweringPort, Plan, Rules, Switch, call, file


async def refused_by(
    made: ToolCall, *, rules: Rules | None = None, plan: Plan | None = None, switch: Switch | None = None
) -> ToolRefused:
    inner = AnsweringPort()
    policed = PolicedCalls(
        inner,
        registry=REGISTRY,
        rules=rules or Rules(),
        plan_lock=plan or Plan(),
        stop_switch=switch or Switch(),
    )
    with pytest.raises(ToolRefused) as caught:
        await policed.call(made)
    assert inner.calls == []
    return caught.value


async def test_a_call_that_everything_allows_goes_through() -> None:
    inner = AnsweringPort()
    policed = PolicedCalls(inner, registry=REGISTRY, rules=Rules(), plan_lock=Plan(), stop_switch=Switch())
    result = await policed.call(call())
    assert result.value == {"length": 5}


async def test_a_tool_nobody_knows_is_refused() -> None:
    assert (await refused_by(call("rm"))).rule == "policy"


async def test_a_tool_the_playbook_does_not_name_is_refused() -> None:
    error = await refused_by(call(), rules=Rules(tools=frozenset()))
    assert error.rule == "policy"
    assert "extractor" in error.message


async def test_a_call_outside_the_locked_plan_is_refused() -> None:
    assert (await refused_by(call(), plan=Plan(holds=False))).rule == "plan_lock"


async def test_what_was_stopped_stays_stopped() -> None:
    error = await refused_by(call(), switch=Switch(reason="The run was stopped."))
    assert (error.rule, error.message) == ("stopped", "The run was stopped.")


@pytest.mark.parametrize("arguments", [{}, {"text": 5}, {"text": None}, {"text": "a", "more": 1}])
async def test_arguments_the_tool_does_not_take_are_refused(arguments: dict[str, object]) -> None:
    assert (await refused_by(call(arguments=arguments))).rule == "policy"


async def test_a_refusal_of_arguments_quotes_none_of_their_values() -> None:
    error = await refused_by(call(arguments={"text": 71234567}))
    assert "71234567" not in str(error)


async def test_a_file_that_was_not_handed_in_is_refused() -> None:
    error = await refused_by(call(arguments={"text": "a", "file": "b.pdf"}, files=(file("a.pdf", "0" * 64),)))
    assert "file" in error.message


def test_nothing_is_converted_to_make_arguments_fit() -> None:
    spec = load_registry().get("search_policy_wording")
    with pytest.raises(ToolRefused, match="limit"):
        check_arguments(spec, call(spec.name, arguments={"kind": "car", "query": "dent", "limit": "5"}))
