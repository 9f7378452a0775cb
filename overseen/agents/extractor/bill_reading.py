"""The total of a bill: the model chooses it, patterns look for themselves, and a person sees where they differ."""

import json
from collections.abc import Sequence

from overseen.agents.agent import Situation
from overseen.agents.documents import Document
from overseen.agents.extractor.amounts import find_amounts
from overseen.agents.extractor.bills import find_total, stated_parts
from overseen.agents.extractor.candidates import Candidate, chosen
from overseen.agents.extractor.disagreement import DISAGREED, disagreement
from overseen.agents.extractor.facts import Bill, money_text
from overseen.agents.extractor.parts import Unread, both_ends
from overseen.agents.extractor.questions import bill_schema
from overseen.domain.findings import Finding
from overseen.guardrails.check import Guardrails, Subject
from overseen.models.confidence import value_confidence
from overseen.models.types import ModelPort, ModelRequest
from overseen.prompts import PromptLibrary

_BILL_TOKENS = 60
_UNMEASURED = 0.7


class BillReader:
    """Reads bills for one agent."""

    def __init__(self, agent: str, models: ModelPort, prompts: PromptLibrary, guardrails: Guardrails) -> None:
        self._agent = agent
        self._models = models
        self._prompts = prompts
        self._guardrails = guardrails

    async def understand(
        self, situation: Situation, document: Document, kind: str, ordinal: int
    ) -> tuple[Bill, list[Finding], tuple[Unread, ...]]:
        """The bill's total as the model chose it, what speaks against it, and what the model was not shown.

        Patterns that find a sum whose parts add up are right nine times in ten: too seldom to go without the model.
        """
        amounts = tuple(find_amounts(document, situation.currency, bare=True))
        if not amounts:
            return Bill(document=document, kind=kind, total=None, confidence=1.0), [], ()
        said, sure, unread = await self._ask(situation, document, amounts, ordinal)
        by_patterns = find_total(document, amounts)
        total, confidence, findings = _compared(said, sure, by_patterns.total if by_patterns else None)
        if total is not None and (parts := stated_parts(document, amounts, total)):
            text = json.dumps({"parts": [money_text(part) for part in parts], "total": money_text(total.value)})
            subject = Subject(name=f"document:{document.name}", text=text)
            findings.append(await self._guardrails.inspect("bill_adds_up", subject))
        return Bill(document=document, kind=kind, total=total, confidence=confidence), findings, unread

    async def _ask(
        self, situation: Situation, document: Document, amounts: Sequence[Candidate], ordinal: int
    ) -> tuple[Candidate | None, float, tuple[Unread, ...]]:
        """The total the model chooses, and how sure it was."""
        prompt = self._prompts.get("extractor/read_bill")
        shown, unread = both_ends(document)
        answer = await self._models.complete(
            ModelRequest(
                run_id=situation.run_id,
                step_id=situation.step.step_id,
                agent=self._agent,
                purpose="read_bill",
                ordinal=ordinal,
                messages=prompt.messages({}, [shown]),
                schema=bill_schema(amounts),
                max_tokens=_BILL_TOKENS,
                region=situation.region,
                prompt=prompt.reference,
                logprobs=True,
            )
        )
        sure = value_confidence(answer, "total_to_pay")
        said = chosen(amounts, (answer.data or {}).get("total_to_pay"))
        return said, _UNMEASURED if sure is None else sure, unread


def _compared(
    said: Candidate | None, sure: float, by_patterns: Candidate | None
) -> tuple[Candidate | None, float, list[Finding]]:
    """The total that counts, how sure it is, and a finding where model and patterns differ."""
    if by_patterns is None:
        return said, sure * (said.certainty if said else 1.0), []
    if said is not None and said.value == by_patterns.value:
        return by_patterns, sure * min(said.certainty, by_patterns.certainty), []
    found = disagreement(
        "estimate_total",
        model=None if said is None else money_text(said.value),
        patterns=money_text(by_patterns.value),
        message=(
            "The model found no total on the bill; a line of it says one."
            if said is None
            else "The model and the line that says total name different sums; the model's was kept."
        ),
    )
    return said or by_patterns, min(sure, DISAGREED), [found]
