"""The plan as a drawing."""

from overseen.api.reading.views import StepView
from overseen.domain.outcomes import RunState
from overseen.web.plan_graph import plan_graph


def step(step_id: str, needs: tuple[str, ...] = (), produces: tuple[str, ...] = ()) -> StepView:
    return StepView(step_id=step_id, agent=step_id, goal="", state="done", needs=needs, produces=produces)


def test_there_is_no_drawing_without_a_plan() -> None:
    assert plan_graph((), RunState.RUNNING) is None


def test_steps_that_need_nothing_of_each_other_share_a_column() -> None:
    graph = plan_graph(
        (step("read", produces=("date",)), step("look", ("date",)), step("check", ("date",))), RunState.RUNNING
    )
    assert graph is not None
    columns = {node.key: node.x for node in graph.nodes}
    assert columns["look"] == columns["check"] > columns["read"]
    assert columns["decide"] > columns["look"]
    # read -> look, read -> check, look -> decide, check -> decide
    assert len(graph.edges) == 4


def test_a_decision_that_waits_says_for_whom() -> None:
    graph = plan_graph((step("read"),), RunState.WAITING_REVIEW)
    assert graph is not None
    assert (graph.nodes[-1].state, graph.nodes[-1].note) == ("waits", "waits for a reviewer")
