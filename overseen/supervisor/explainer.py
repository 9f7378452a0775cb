"""Asks a model to put a decision into words. What holds is decided by `explanation`."""

from collections.abc import Mapping
from dataclasses import dataclass

from overseen.domain.facts import Fact
from overseen.domain.outcomes import BoundaryVerdict, Outcome, Ruling
from overseen.errors import OverseenError
from overseen.models.types import ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText
from overseen.supervisor.explanation import (
    check_explanation,
    explanation_facts,
    explanation_input,
    explanation_schema,
    explanation_text,
    rules_explanation,
)
from overseen.supervisor.playbook import Playbook

_MOST_TOKENS = 280
_UNDECIDED = (Outcome.ASK, Outcome.REFER)
"""Nothing is decided then, and no model may make it sound decided: the rules' own words are used."""
_LONGEST_VALUE = 120
"""Characters of a fact worth showing: stories and fingerprints cost seconds to read and explain nothing."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why it was decided so. `author` is model or rules; `problems` say why a model's words were not used."""

    text: str
    cited_facts: tuple[str, ...]
    author: str
    problems: tuple[str, ...] = ()


class Explainer:
    """Explains rulings with one model call; falls back to the rules' own words."""

    def __init__(self, models: ModelPort, prompts: PromptLibrary) -> None:
        self._models = models
        self._prompts = prompts

    async def explain(
        self,
        playbook: Playbook,
        *,
        facts: Mapping[str, Fact],
        ruling: Ruling,
        boundary: BoundaryVerdict,
        run_id: str,
        region: str,
    ) -> Explanation:
        """The explanation. Errors that trying again may mend are raised; others lead to the rules' own words."""
        told = {
            name: fact
            for name, fact in facts.items()
            if fact.value is not None and len(str(fact.value)) <= _LONGEST_VALUE
        }
        if ruling.outcome in _UNDECIDED:
            return self._by_rules(playbook, told, (ruling, boundary))
        prompt = self._prompts.get("supervisor/explain")
        messages = prompt.messages(
            {"goal": playbook.goal},
            # Facts quote outsiders, so all of it goes in as something to read.
            [UntrustedText(label="case", text=explanation_input(told, ruling, boundary))],
        )
        try:
            answer = await self._models.complete(
                ModelRequest(
                    run_id=run_id,
                    step_id="explain",
                    agent="supervisor",
                    purpose="explain",
                    messages=messages,
                    schema=explanation_schema(told),
                    max_tokens=_MOST_TOKENS,
                    region=region,
                    prompt=prompt.reference,
                )
            )
        except OverseenError as error:
            if error.retryable:
                raise
            return self._by_rules(playbook, told, (ruling, boundary), (error.message,))
        if problems := check_explanation(answer.data, told, ruling, boundary):
            return self._by_rules(playbook, told, (ruling, boundary), problems)
        return Explanation(
            text=explanation_text(answer.data), cited_facts=explanation_facts(answer.data), author="model"
        )

    @staticmethod
    def _by_rules(
        playbook: Playbook,
        facts: Mapping[str, Fact],
        decided: tuple[Ruling, BoundaryVerdict],
        problems: tuple[str, ...] = (),
    ) -> Explanation:
        text = rules_explanation(facts, *decided)
        # Sums and choices are what the rules turn on; the rest can be seen beside them.
        cited = tuple(fact.name for fact in playbook.facts if fact.type in ("money", "choice") and fact.name in facts)
        return Explanation(text=text, cited_facts=cited, author="rules", problems=problems)
