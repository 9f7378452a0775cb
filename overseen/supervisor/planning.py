"""Plans: what a model is asked for, what is read from its answer, and what must hold before a plan is locked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from overseen.domain.plans import Plan, Step
from overseen.errors import OverseenError, WhoActs
from overseen.supervisor.playbook import AgentCard, Playbook

_GOAL_LENGTH = 70


class UnreadablePlan(OverseenError):
    """An answer that is no plan of this playbook at all. A plan that is one but does not hold has problems instead."""

    code = "unreadable_plan"
    who_acts = WhoActs.NOBODY


def plan_schema(playbook: Playbook) -> dict[str, Any]:
    """JSON schema of a plan: a list of steps, each an agent of the playbook and a goal.

    Dependencies are not asked for: small models refer to steps by themselves, so the order is derived from facts.
    """
    names = [card.name for card in playbook.agents]
    step = {
        "type": "object",
        "properties": {
            "agent": {"type": "string", "enum": names},
            "goal": {"type": "string", "minLength": 3, "maxLength": _GOAL_LENGTH},
        },
        "required": ["agent", "goal"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": step, "minItems": 1, "maxItems": len(names)}},
        "required": ["steps"],
        "additionalProperties": False,
    }


def parse_plan(playbook: Playbook, data: Any, origin: str) -> Plan:
    """The plan in `data` (as `plan_schema` describes), in an order in which each step has the facts it needs.

    `origin` is model, repaired or playbook. Raises UnreadablePlan when `data` names no known agents.
    """
    cards = {card.name: card for card in playbook.agents}
    wanted: list[tuple[AgentCard, str]] = []
    items = data.get("steps") if isinstance(data, Mapping) else None
    for item in items if isinstance(items, list) else ():
        card = cards.get(str(item.get("agent"))) if isinstance(item, Mapping) else None
        if card is None:
            raise UnreadablePlan(
                "The plan names an agent that the playbook does not have.", not_done="The plan was not used."
            )
        goal = " ".join(str(item.get("goal") or card.description).split())[:_GOAL_LENGTH]
        wanted.append((card, goal))
    if not wanted:
        raise UnreadablePlan("The answer holds no steps.", not_done="The plan was not used.")
    return Plan(steps=_numbered(_ordered(wanted)), origin=origin)


def check_plan(playbook: Playbook, plan: Plan) -> tuple[str, ...]:
    """What is wrong with `plan`, one sentence a problem; empty when it holds.

    It holds when every fact the decision needs is produced, every step can have the facts it needs before it starts,
    no agent is asked twice and none is unknown to the playbook.
    """
    problems: list[str] = []
    cards = {card.name: card for card in playbook.agents}
    asked: set[str] = set()
    known: set[str] = set()
    for step in plan.steps:
        card = cards.get(step.agent)
        if card is None:
            problems.append(f"{step.agent} is no agent of this playbook.")
        elif set(step.produces) - set(card.produces) or set(step.needs) != set(card.needs):
            problems.append(f"The step of {step.agent} does not match what that agent needs and produces.")
        if step.agent in asked:
            problems.append(f"{step.agent} is asked twice.")
        asked.add(step.agent)
        if absent := sorted(set(step.needs) - known):
            problems.append(f"{step.agent} needs {_listed(absent)}, which no earlier step produces.")
        known.update(step.produces)
    if unmade := sorted(set(playbook.decision_facts) - known):
        problems.append(f"No step produces {_listed(unmade)}, which the decision needs.")
    return tuple(problems)


def playbook_plan(playbook: Playbook) -> Plan:
    """The plan the playbook itself names, in the order the facts allow."""
    lines = [{"agent": line.agent, "goal": line.goal} for line in playbook.plan]
    return parse_plan(playbook, {"steps": lines}, "playbook")


def ready_steps(plan: Plan, finished: Iterable[str]) -> tuple[Step, ...]:
    """The unfinished steps whose needs only finished steps produce: they can run now, side by side."""
    done = set(finished)
    waiting = {name for step in plan.steps if step.step_id not in done for name in step.produces}
    return tuple(
        step for step in plan.steps if step.step_id not in done and not (set(step.needs) & waiting - set(step.produces))
    )


def _ordered(wanted: Sequence[tuple[AgentCard, str]]) -> list[tuple[AgentCard, str]]:
    """Kahn's order, stable; what cannot be placed keeps its place at the end, for `check_plan` to complain about."""
    left, placed = list(wanted), list[tuple[AgentCard, str]]()
    while left:
        coming = {name for card, _ in left for name in card.produces}
        free = [(card, goal) for card, goal in left if not (set(card.needs) & coming - set(card.produces))]
        if not free:
            return placed + left
        placed.extend(free)
        left = [item for item in left if item not in free]
    return placed


def _numbered(ordered: Sequence[tuple[AgentCard, str]]) -> tuple[Step, ...]:
    return tuple(
        Step(
            step_id=f"{number}-{card.name.replace('_', '-')}",
            agent=card.name,
            goal=goal,
            needs=tuple(card.needs),
            produces=tuple(card.produces),
        )
        for number, (card, goal) in enumerate(ordered, start=1)
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
