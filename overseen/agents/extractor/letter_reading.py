"""What the model is asked about letters: one question sheet, then the dangers in every further part of long ones."""

from collections.abc import Sequence

from overseen.agents.agent import Situation
from overseen.agents.documents import Document
from overseen.agents.extractor.dangers import DangerAnswer
from overseen.agents.extractor.facts import foreign_story
from overseen.agents.extractor.parts import Part, Unread
from overseen.agents.extractor.questions import LetterQuestions, danger_schema, translation_schema
from overseen.errors import OverseenError
from overseen.models.confidence import value_confidence
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText

READ_LETTER = "extractor/read_letter"
_LETTER_TOKENS = 220
_PART_TOKENS = 40
_STORY_TOKENS = 200
_UNMEASURED = 0.7


class LetterReader:
    """Asks the model about letters, for one agent."""

    def __init__(self, agent: str, models: ModelPort, prompts: PromptLibrary) -> None:
        self._agent = agent
        self._models = models
        self._prompts = prompts

    async def ask(self, situation: Situation, asked: LetterQuestions, parts: Sequence[Part]) -> ModelAnswer:
        """The answer to the question sheet, the model being shown `parts`."""
        prompt = self._prompts.get(READ_LETTER)
        return await self._models.complete(
            ModelRequest(
                run_id=situation.run_id,
                step_id=situation.step.step_id,
                agent=self._agent,
                purpose="read_letter",
                messages=prompt.messages({}, [part.shown() for part in parts]),
                schema=asked.schema(),
                max_tokens=_LETTER_TOKENS,
                region=situation.region,
                prompt=prompt.reference,
                logprobs=True,
            )
        )

    async def dangers(
        self, situation: Situation, parts: Sequence[Part]
    ) -> tuple[tuple[DangerAnswer, ...], tuple[Unread, ...]]:
        """The dangers of every part; a part about which the model fails to answer counts as unread."""
        answers: list[DangerAnswer] = []
        unread: list[Unread] = []
        for ordinal, part in enumerate(parts):
            try:
                answers.append(_danger(part, await self._ask_part(situation, part, ordinal)))
            except OverseenError as error:
                if error.retryable:
                    raise
                unread.append(Unread(name=part.document.name, amount=f"{part.end - part.start:,} characters"))
        return tuple(answers), tuple(unread)

    async def _ask_part(self, situation: Situation, part: Part, ordinal: int) -> ModelAnswer:
        prompt = self._prompts.get("extractor/read_further_part")
        return await self._models.complete(
            ModelRequest(
                run_id=situation.run_id,
                step_id=situation.step.step_id,
                agent=self._agent,
                purpose="read_further_part",
                ordinal=ordinal,
                messages=prompt.messages({}, [part.shown()]),
                schema=danger_schema(),
                max_tokens=_PART_TOKENS,
                region=situation.region,
                prompt=prompt.reference,
                logprobs=True,
            )
        )

    async def translate(self, situation: Situation, letters: Sequence[Document]) -> str | None:
        """A story told in another language, in English: the policy wording is searched with it. None if that fails."""
        main = max(letters, key=lambda document: len(document.text))
        told = foreign_story(main, situation.language)
        if not told:
            return None
        prompt = self._prompts.get("extractor/translate_story")
        try:
            answer = await self._models.complete(
                ModelRequest(
                    run_id=situation.run_id,
                    step_id=situation.step.step_id,
                    agent=self._agent,
                    purpose="translate_story",
                    messages=prompt.messages({}, [UntrustedText(label=main.name, text=told)]),
                    schema=translation_schema(),
                    max_tokens=_STORY_TOKENS,
                    region=situation.region,
                    prompt=prompt.reference,
                )
            )
        except OverseenError as error:
            if error.retryable:
                raise
            return None
        return " ".join(str((answer.data or {}).get("english") or "").split()) or None


def sheet_danger(main: Document, answer: ModelAnswer) -> DangerAnswer:
    """What the question sheet's answer says about dangers."""
    data = answer.data or {}
    hurt, claims = data.get("somebody_hurt"), data.get("number_of_claims")
    return DangerAnswer(
        document=main,
        hurt=hurt if isinstance(hurt, bool) else None,
        hurt_confidence=_sure(answer, "somebody_hurt"),
        claims=claims if isinstance(claims, int) and not isinstance(claims, bool) else None,
        claims_confidence=_sure(answer, "number_of_claims"),
    )


def _danger(part: Part, answer: ModelAnswer) -> DangerAnswer:
    data = answer.data or {}
    hurt, another = data.get("somebody_hurt"), data.get("another_claim")
    return DangerAnswer(
        document=part.document,
        hurt=hurt if isinstance(hurt, bool) else None,
        hurt_confidence=_sure(answer, "somebody_hurt"),
        claims=1 + another if isinstance(another, bool) else None,
        claims_confidence=_sure(answer, "another_claim"),
    )


def _sure(answer: ModelAnswer, member: str) -> float:
    confidence = value_confidence(answer, member)
    return _UNMEASURED if confidence is None else confidence
