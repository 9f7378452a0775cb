"""The policy lookup: fetches the policy with leased credentials and finds the clause that applies to the damage."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from overseen.agents.agent import CallTools, Conclude, Move, Situation
from overseen.agents.documents import results_by_call
from overseen.agents.facts import FactMaker
from overseen.agents.policy_lookup.facts import (
    ChosenClause,
    clause_facts,
    clauses_to_choose,
    policy_facts,
    prior_claims_fact,
)
from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.guardrails.check import Guardrails, Subject
from overseen.models.confidence import value_confidence
from overseen.models.types import ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText, without_control_tokens

_MOST_TOKENS = 80
_CAUSE_LENGTH = 60
_CLAUSES_ASKED = 12
_BODY_LENGTH = 110
_QUERY_LENGTH = 1500
_UNMEASURED = 0.7
_KIND_BY_PREFIX = {"CAR": "car", "HOM": "home", "TRV": "travel"}


class PolicyLookup:
    """Three calls at once, then one question to the model: which of these clauses?"""

    name = "policy_lookup"
    tools = frozenset({"look_up_policy", "search_policy_wording", "list_prior_claims"})
    needs = frozenset(
        {"policy_number", "claim_kind", "incident_date", "incident_summary", "incident_story", "claimant_name"}
    )
    produces = frozenset(
        {
            "policy_found",
            "policy_status",
            "policy_kind",
            "policy_holder",
            "policy_holder_email",
            "policy_covers_date",
            "excess",
            "cover_limit",
            "policy_currency",
            "clause",
            "covered",
            "prior_claims",
        }
    )

    def __init__(self, models: ModelPort, prompts: PromptLibrary, guardrails: Guardrails) -> None:
        self._models = models
        self._prompts = prompts
        self._guardrails = guardrails

    async def think(self, situation: Situation) -> Move:
        """Ask the record for what the facts name; then choose the clause and conclude."""
        calls = _calls(situation, self.name)
        done = results_by_call(situation)
        if missing := tuple(call for call in calls.values() if call.call_id not in done):
            return CallTools(calls=missing)
        results = {tool: done[call.call_id] for tool, call in calls.items()}
        maker = FactMaker(situation)
        incident = _text(situation, "incident_date")
        facts = policy_facts(maker, results.get("look_up_policy"), incident)
        facts += prior_claims_fact(maker, results.get("list_prior_claims"))
        wording = results.get("search_policy_wording")
        facts += clause_facts(maker, await self._choose(situation, wording), wording)
        return Conclude(facts=tuple(facts), findings=tuple(await self._holder(situation, facts)))

    async def _choose(self, situation: Situation, wording: CallResult | None) -> ChosenClause | None:
        """The clause that applies; None when there is nothing to choose by or from."""
        told = _text(situation, "incident_story") or _text(situation, "incident_summary")
        clauses = clauses_to_choose(wording, told) if told else []
        if not told or not clauses:
            return None
        prompt = self._prompts.get("policy_lookup/choose_clause")
        titles = {str(item["title"]): item for item in clauses}
        listed = "\n".join(f"- {item['title']}: {_short(item)}" for item in clauses)
        answer = await self._models.complete(
            ModelRequest(
                run_id=situation.run_id,
                step_id=situation.step.step_id,
                agent=self.name,
                purpose="choose_clause",
                messages=prompt.messages(
                    {"headings": without_control_tokens(listed)}, [UntrustedText(label="incident", text=told)]
                ),
                schema=_schema(list(titles)),
                max_tokens=_MOST_TOKENS,
                region=situation.region,
                prompt=prompt.reference,
                logprobs=True,
            )
        )
        chosen = titles.get(str((answer.data or {}).get("heading")))
        measured = value_confidence(answer, "heading")
        if chosen is None:
            return None
        # That the search found the same clause first, or that all offered grant cover, makes the choice no surer.
        return ChosenClause(clause=chosen, confidence=_UNMEASURED if measured is None else measured)

    async def _holder(self, situation: Situation, facts: Sequence[Fact]) -> list[Finding]:
        """Whether the one who claims is the one who is insured."""
        holder = next((fact.value for fact in facts if fact.name == "policy_holder"), None)
        if holder is None:
            return []  # no policy was found: the rules do not settle without one
        claimant = _text(situation, "claimant_name")
        text = json.dumps({"claimant": claimant, "holder": holder})
        return [await self._guardrails.inspect("claimant_is_holder", Subject(name="fact:claimant_name", text=text))]


def _calls(situation: Situation, agent: str) -> dict[str, ToolCall]:
    """The calls that the facts allow, by tool, with where each argument came from."""
    number, kind = _text(situation, "policy_number"), _text(situation, "claim_kind")
    kind_by_number = _KIND_BY_PREFIX.get(number[:3]) if number else None
    source = "incident_story" if _text(situation, "incident_story") else "incident_summary"
    told = _text(situation, source)
    wanted: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    if number:
        own = {"policy_number": "policy_number"}
        wanted.append(("look_up_policy", {"policy_number": number}, own))
        wanted.append(("list_prior_claims", {"policy_number": number}, own))
    if told and (searched := kind or kind_by_number):
        arguments = {"kind": searched, "query": told[:_QUERY_LENGTH], "limit": _CLAUSES_ASKED}
        named = {"query": source} | ({"kind": "claim_kind"} if kind else {})
        wanted.append(("search_policy_wording", arguments, named))
    return {
        tool: ToolCall(
            run_id=situation.run_id,
            step_id=situation.step.step_id,
            agent=agent,
            tool=tool,
            arguments=arguments,
            argument_facts=named,
            ordinal=ordinal,
        )
        for ordinal, (tool, arguments, named) in enumerate(wanted)
    }


def _schema(titles: Sequence[str]) -> dict[str, Any]:
    """The cause is asked for first: a model that has named it chooses far better.

    There is no way out like "none": where nothing fits the choice is unsure, and an unsure fact brings a person in.
    """
    return {
        "type": "object",
        "properties": {
            "cause": {"type": "string", "minLength": 3, "maxLength": _CAUSE_LENGTH},
            "heading": {"type": "string", "enum": list(titles)},
        },
        "required": ["cause", "heading"],
        "additionalProperties": False,
    }


def _short(clause: Mapping[str, Any]) -> str:
    body = " ".join(str(clause["body"]).split())
    return body if len(body) <= _BODY_LENGTH else body[:_BODY_LENGTH].rsplit(" ", 1)[0] + " ..."


def _text(situation: Situation, name: str) -> str | None:
    fact = situation.facts.get(name)
    return None if fact is None or fact.value is None else str(fact.value)
