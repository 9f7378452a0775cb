"""The plan as a small graph: columns of steps that can run at once, edges where one needs the other's facts."""

from collections.abc import Sequence
from dataclasses import dataclass

from overseen.api.reading.views import StepView
from overseen.domain.outcomes import ENDED, RunState

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 168, 52, 44, 16, 4
_DECIDE = "decide"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One box. Lengths in SVG units. `state` as of StepView, or waits for a person."""

    key: str
    title: str
    note: str
    state: str
    x: int
    y: int
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A line between two boxes, as an SVG path."""

    path: str


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Everything to draw, and the size of the drawing in SVG units."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: int
    height: int


def plan_graph(steps: Sequence[StepView], state: RunState) -> Graph | None:
    """The graph of `steps` with the decision at its end; None while there is no plan."""
    if not steps:
        return None
    depth: dict[str, int] = {}
    for step in steps:
        before = [depth[other.step_id] for other in steps if other.step_id in depth and _needs(step, other)]
        depth[step.step_id] = max(before, default=-1) + 1
    columns: dict[int, list[StepView]] = {}
    for step in steps:
        columns.setdefault(depth[step.step_id], []).append(step)
    tallest = max(len(column) for column in columns.values())
    height = tallest * _HEIGHT + (tallest - 1) * _GAP_Y + 2 * _MARGIN
    nodes = [
        _node(step, column, row, height, len(members))
        for column, members in columns.items()
        for row, step in enumerate(members)
    ]
    last = max(columns) + 1
    decide = Node(
        key=_DECIDE,
        title="Decide",
        note=_decision_note(state),
        state=_decision_state(state, steps),
        x=_MARGIN + last * (_WIDTH + _GAP_X),
        y=(height - _HEIGHT) // 2,
    )
    by_key = {node.key: node for node in nodes}
    edges = [
        _edge(by_key[other.step_id], by_key[step.step_id])
        for step in steps
        for other in steps
        if other is not step and _needs(step, other)
    ]
    leaves = [step for step in steps if not any(other is not step and _needs(other, step) for other in steps)]
    edges += [_edge(by_key[leaf.step_id], decide) for leaf in leaves]
    return Graph(nodes=(*nodes, decide), edges=tuple(edges), width=decide.x + _WIDTH + _MARGIN, height=height)


def _needs(step: StepView, other: StepView) -> bool:
    return bool(set(step.needs) & set(other.produces))


def _node(step: StepView, column: int, row: int, height: int, members: int) -> Node:
    block = members * _HEIGHT + (members - 1) * _GAP_Y
    notes = f"{step.fact_count} facts" if step.state == "done" else step.state
    return Node(
        key=step.step_id,
        title=step.agent,
        note=notes,
        state=step.state,
        x=_MARGIN + column * (_WIDTH + _GAP_X),
        y=(height - block) // 2 + row * (_HEIGHT + _GAP_Y),
    )


def _edge(start: Node, end: Node) -> Edge:
    x1, y1 = start.x + start.width, start.y + start.height // 2
    x2, y2 = end.x, end.y + end.height // 2
    bend = (x2 - x1) // 2
    return Edge(path=f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}")


def _decision_state(state: RunState, steps: Sequence[StepView]) -> str:
    if state in (RunState.WAITING_REVIEW, RunState.WAITING_REQUESTER):
        return "waits"
    if state in (RunState.FAILED, RunState.STOPPED):
        return "stopped"
    if state in ENDED:
        return "done"
    return "running" if all(step.state == "done" for step in steps) else "waiting"


def _decision_note(state: RunState) -> str:
    notes = {RunState.WAITING_REVIEW: "waits for a reviewer", RunState.WAITING_REQUESTER: "waits for the requester"}
    if state in notes:
        return notes[state]
    return state.value if state in ENDED else "waiting"
