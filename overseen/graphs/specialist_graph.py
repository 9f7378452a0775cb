"""The specialist graph: think -> gate -> act -> think ... -> check.

It keeps no checkpoints of its own. Every tool call and model answer is recorded under a key that is the same when the
step is tried again, so a step that a crash cut short thinks the same thoughts from the records and repeats nothing.
"""

import operator
import warnings
from dataclasses import replace
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from overseen.agents.agent import Agent, CallTools, Conclude, Situation
from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding, Verdict
from overseen.errors import Defect, OverseenError
from overseen.tools.errors import ToolRefused
from overseen.tools.types import ToolPort

# Durability has to be named all the same, or that of the outer graph is inherited and fails (decision 0003).
warnings.filterwarnings("ignore", message="`durability` has no effect", category=UserWarning)

_MOST_ROUNDS = 8
"""An agent that still asks for tools after so many thoughts is going round in circles."""


class SpecialistState(TypedDict):
    """What one step knows while it runs; lives in memory only. A key is there once its node has run."""

    situation: Situation
    move: CallTools | Conclude
    allowed: tuple[ToolCall, ...]
    results: Annotated[list[CallResult], operator.add]
    findings: Annotated[list[Finding], operator.add]
    rounds: int


def build_specialist_graph(agent: Agent, tools: ToolPort) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph of one agent. Input: `situation`; output: `move` (a Conclude) and `findings` of gate and act."""

    async def think(state: SpecialistState) -> dict[str, Any]:
        rounds = state.get("rounds", 0) + 1
        if rounds > _MOST_ROUNDS:
            raise Defect(
                f"{agent.name} asked for tools {_MOST_ROUNDS} times and did not conclude.",
                not_done="The step has no result.",
            )
        situation = replace(state["situation"], results=tuple(state.get("results", ())))
        return {"move": await agent.think(situation), "rounds": rounds}

    async def gate(state: SpecialistState) -> Command[str]:
        move = state["move"]
        if isinstance(move, Conclude):
            return Command(goto="check")
        allowed = tuple(call for call in move.calls if call.tool in agent.tools)
        refused = [_refused(agent, call) for call in move.calls if call.tool not in agent.tools]
        return Command(goto="act" if allowed else "think", update={"allowed": allowed, "findings": refused})

    async def act(state: SpecialistState) -> dict[str, Any]:
        results: list[CallResult] = []
        findings: list[Finding] = []
        # One after the other: the sandbox has few slots, and the order of results is part of the situation.
        for call in state.get("allowed", ()):
            try:
                results.append(await tools.call(call))
            except OverseenError as error:
                if error.retryable or (isinstance(error, ToolRefused) and error.rule == "stopped"):
                    raise
                findings.append(_failed(call, error))
                failed = {"failed": {"code": error.code, "message": error.message}}
                results.append(CallResult(call_id=call.call_id, tool=call.tool, value=failed))
        return {"results": results, "findings": findings}

    async def check(state: SpecialistState) -> dict[str, Any]:
        return _checked(agent, state["move"])

    builder = StateGraph(SpecialistState)
    builder.add_node("think", think)
    builder.add_node("gate", gate, destinations=("act", "think", "check"))
    builder.add_node("act", act)
    builder.add_node("check", check)
    builder.add_edge(START, "think")
    builder.add_edge("think", "gate")
    builder.add_edge("act", "think")
    builder.add_edge("check", END)
    return builder.compile(checkpointer=False, name=agent.name)


def _checked(agent: Agent, move: CallTools | Conclude) -> dict[str, Any]:
    """Only facts the agent is there to produce, each once, leave the step."""
    if not isinstance(move, Conclude):
        raise Defect(f"{agent.name} reached its checks without a conclusion.")
    kept: dict[str, Fact] = {}
    strays: list[Finding] = []
    for fact in move.facts:
        if fact.name in agent.produces and fact.name not in kept:
            kept[fact.name] = fact
            continue
        strays.append(
            Finding(
                check="facts_expected",
                verdict=Verdict.FLAG,
                subject=f"fact:{fact.name}",
                message=f"{agent.name} is not there to produce {fact.name}, or did so twice; it was left out.",
            )
        )
    return {"move": Conclude(facts=tuple(kept.values()), findings=move.findings), "findings": strays}


def _refused(agent: Agent, call: ToolCall) -> Finding:
    return Finding(
        check="tool_allowed",
        verdict=Verdict.BLOCK,
        subject=f"tool:{call.tool}",
        message=f"{agent.name} asked for {call.tool}, which it may not use.",
    )


def _failed(call: ToolCall, error: OverseenError) -> Finding:
    return Finding(
        check="tool_worked",
        verdict=Verdict.ABSTAIN,
        subject=f"tool:{call.tool}",
        message=f"{call.tool} did not work: {error.message}",
        evidence={"code": error.code, "call_id": call.call_id},
    )
