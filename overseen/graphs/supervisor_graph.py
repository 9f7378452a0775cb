"""The supervisor graph, wired. Read top to bottom it is a claim's way through the house."""

from typing import Any

from langgraph.graph import END, START, StateGraph

from overseen.graphs.act_nodes import ActNodes
from overseen.graphs.decision_nodes import DecisionNodes
from overseen.graphs.plan_nodes import PlanNodes
from overseen.graphs.review_nodes import ReviewNodes
from overseen.graphs.services import RunServices
from overseen.graphs.specialist_graph import build_specialist_graph
from overseen.graphs.state import RunGraphState

CompiledGraph = Any
"""langgraph's CompiledStateGraph has four type parameters that say nothing here."""


def build_supervisor_graph(services: RunServices) -> CompiledGraph:
    """Compile the graph; every run gives its own copy a checkpoint saver."""
    specialists = {name: build_specialist_graph(agent, services.tools) for name, agent in services.agents.items()}
    planning = PlanNodes(services, specialists)
    reviewing = ReviewNodes(services)
    deciding = DecisionNodes(services, reviewing)
    acting = ActNodes(services)

    builder = StateGraph(RunGraphState)
    builder.add_node("plan", planning.plan)
    builder.add_node("delegate", planning.delegate, destinations=("step", "decide"))
    builder.add_node("step", planning.step)
    builder.add_node("decide", deciding.decide)
    builder.add_node("explain", deciding.explain)
    builder.add_node("gate", deciding.gate, destinations=("act", "plan", "wait_for_review"))
    builder.add_node("wait_for_review", reviewing.wait_for_review)
    builder.add_node(
        "apply_decision",
        reviewing.apply_decision,
        destinations=("act", "close", "park_for_requester", "plan", "wait_for_review"),
    )
    builder.add_node("act", acting.act, destinations=("close", "park_for_requester", "plan"))
    builder.add_node("park_for_requester", acting.park_for_requester)
    builder.add_node("wait_for_requester", acting.wait_for_requester)
    builder.add_node("close", acting.close)

    builder.add_edge(START, "plan")
    builder.add_edge("plan", "delegate")
    builder.add_edge("step", "delegate")
    builder.add_edge("decide", "explain")
    builder.add_edge("explain", "gate")
    builder.add_edge("wait_for_review", "apply_decision")
    builder.add_edge("park_for_requester", "wait_for_requester")
    builder.add_edge("wait_for_requester", "plan")
    builder.add_edge("close", END)
    return builder.compile(name="supervisor")
