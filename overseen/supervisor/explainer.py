"""Asks a model to put a decision into words. What holds is decided by `explanation`."""

from collections.abc import Mapping
from dataclasses import dataclass

from overseen.domain.facts import Fact
from overseen.domain.outcomes import Outcome, Ruling
from overseen.errors import OverseenError
from overseen.models.types import ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText
from overseen.supervisor.context import money
from overseen.supervisor.explanation import (
    check_explanation,
    cited_facts,
    explanation_input,
    explanation_schema,
    explanation_text,
    rules_explanation,
)
from overseen.supervisor.playbook import Playbook

_MOST_TOKENS = 140
_UNDECIDED = (Outcome.ASK, Outcome.REFER)
"""Nothing is decided then, and no model may make it sound decided: the rules' own words are used."""


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
        run_id: str,
        region: str,
    ) -> Explanation:
        """The explanation. Errors that trying again may mend are raised; others lead to the rules' own words."""
        told = _telling(playbook, facts, ruling)
        if ruling.outcome in _UNDECIDED:
            return self._by_rules(told, ruling)
        prompt = self._prompts.get("supervisor/explain")
        messages = prompt.messages(
            {},
            # Facts quote outsiders, so all of it goes in as something to read.
            [UntrustedText(label="case", text=explanation_input(told, ruling))],
        )
        try:
            answer = await self._models.complete(
                ModelRequest(
                    run_id=run_id,
                    step_id="explain",
                    agent="supervisor",
                    purpose="explain",
                    messages=messages,
                    schema=explanation_schema(),
                    max_tokens=_MOST_TOKENS,
                    region=region,
                    prompt=prompt.reference,
                )
            )
        except OverseenError as error:
            if error.retryable:
                raise
            return self._by_rules(told, ruling, (error.message,))
        if problems := check_explanation(answer.data, told, ruling):
            return self._by_rules(told, ruling, problems)
        text = explanation_text(answer.data)
        return Explanation(text=text, cited_facts=cited_facts(text, told, ruling), author="model")

    @staticmethod
    def _by_rules(
        facts: Mapping[str, Fact],
        ruling: Ruling,
        problems: tuple[str, ...] = (),
    ) -> Explanation:
        text = rules_explanation(ruling)
        cited = cited_facts(text, facts, ruling) or tuple(facts)
        return Explanation(text=text, cited_facts=cited, author="rules", problems=problems)


def _telling(playbook: Playbook, facts: Mapping[str, Fact], ruling: Ruling) -> dict[str, Fact]:
    """The facts worth explaining with: days, terms of the sum, and what the ruling's reasons speak of.

    Others are left out because small models work them in whether they matter or not.
    """
    reasons = " ".join(ruling.reasons).lower()
    terms = {abs(amount) for _, amount in ruling.sum_terms}
    told: dict[str, Fact] = {}
    for item in playbook.facts:
        fact = facts.get(item.name)
        if fact is None or fact.value is None or item.name not in playbook.decision_facts:
            continue
        named = item.type != "bool" and (str(fact.value).lower() in reasons or item.title.lower() in reasons)
        if item.type == "date" or named or (item.type == "money" and money(fact.value) in terms):
            told[item.name] = fact
    return told
