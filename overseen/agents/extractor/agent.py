"""The extractor: turns letters, mails and bills into facts, each with the place it was read from."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from overseen.agents.agent import CallTools, Conclude, Move, Situation
from overseen.agents.documents import Document, Reading, message_document
from overseen.agents.extractor.amounts import find_amounts
from overseen.agents.extractor.bill_lines import ItemisedBill, itemised, plan_sums
from overseen.agents.extractor.bills import BillTotal, find_total, stated_parts
from overseen.agents.extractor.candidates import Candidate, chosen
from overseen.agents.extractor.cues import bill_kind
from overseen.agents.extractor.dates import written_on
from overseen.agents.extractor.facts import (
    Bill,
    LetterFacts,
    bill_facts,
    currency_fact,
    foreign_story,
    money_text,
    spans_of,
)
from overseen.agents.extractor.questions import (
    TEXT_LENGTH,
    LetterQuestions,
    bill_schema,
    letter_questions,
    translation_schema,
)
from overseen.agents.extractor.reading_plan import ReadingPlan, plan_reading
from overseen.agents.facts import FactMaker
from overseen.domain.facts import Fact, Source, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.errors import OverseenError
from overseen.guardrails.check import Guardrails, Subject
from overseen.models.confidence import value_confidence
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText
from overseen.store import BlobStore

_READ_LETTER = "extractor/read_letter"
_LETTER_TOKENS = 220
_STORY_TOKENS = 200
_BILL_TOKENS = 60
_DISAGREED = 0.5
_PROVEN = 0.99
_AGREED = 0.95
_UNMEASURED = 0.7
_MOST_BILLS = 4
_LEAST_WORDS = 3
_WORD_LENGTH = 3
_LEAST_PAPER_WORDS = 25


class Extractor:
    """Reads every document, asks the model one question sheet for the letters and one for each bill."""

    name = "extractor"
    tools = frozenset({"read_document", "compute"})
    needs: frozenset[str] = frozenset()
    produces = frozenset(
        {
            "policy_number",
            "claim_kind",
            "incident_date",
            "claimant_name",
            "incident_summary",
            "incident_story",
            "claimed_amount",
            "estimate_total",
            "currency",
            "injury_reported",
            "claims_count",
            "language",
            "supporting_document",
            "payee_account",
            "photographed_papers",
            "bill_number",
            "bill_issuer",
        }
    )

    def __init__(self, models: ModelPort, prompts: PromptLibrary, blobs: BlobStore, guardrails: Guardrails) -> None:
        self._models = models
        self._prompts = prompts
        self._blobs = blobs
        self._guardrails = guardrails

    async def think(self, situation: Situation) -> Move:
        """Ask for unread files; once all are read, have the lines of bills added up; then conclude."""
        plan = plan_reading(situation, self.name)
        if plan.missing:
            return CallTools(calls=plan.missing)
        documents = await self._documents(situation, plan.readings)
        bills = [(document, kind) for document in documents if (kind := _bill_kind(document))]
        letters = [document for document in documents if not any(document is bill for bill, _ in bills)]
        sums = plan_sums(situation, self.name, _itemised(situation, bills), after=len(plan.readings))
        if sums.missing:
            return CallTools(calls=sums.missing)
        maker = FactMaker(situation)
        facts: list[Fact] = []
        findings = [*_reading_findings(plan), *await self._instructions(documents), *sums.findings()]
        understood = [
            await self._understand_bill(situation, document, kind, ordinal)
            for ordinal, (document, kind) in enumerate(bills[:_MOST_BILLS])
        ]
        findings += [finding for _, found in understood for finding in found]
        claimed: Candidate | None = None
        if letters:
            written = _writing_days(letters, documents, situation)
            asked = letter_questions(letters, written, situation.currency, _day_first(situation))
            answer = await self._ask_letters(situation, asked)
            totals = [bill for bill, _ in understood]
            read = LetterFacts(
                maker,
                asked,
                answer,
                bills=totals,
                language=situation.language,
                question=self._prompts.get(_READ_LETTER).source,
                translation=await self._translate(situation, letters),
            )
            claimed = read.claimed()
            facts += read.all()
        facts += bill_facts(maker, [bill for bill, _ in understood])
        facts.append(currency_fact(maker, [bill for bill, _ in understood], claimed, situation.currency))
        facts += _papers(maker, documents)
        kept, refused = await self._in_source(facts, documents)
        findings += refused
        findings += await self._consistent(kept, [bill for bill, _ in understood], letters, claimed)
        return Conclude(facts=tuple(kept), findings=tuple(findings))

    async def _documents(self, situation: Situation, readings: Sequence[Reading]) -> list[Document]:
        """The message first, then everything read that holds words; each text is stored for spans to point into."""
        found: list[Document] = []
        if situation.message_blob is not None:
            text = (await self._blobs.get(situation.message_blob)).decode("utf-8", errors="replace")
            if text.strip():
                found.append(message_document(text, situation.message_blob))
        for reading in readings:
            document = reading.document()
            if document is None or len(document.text.split()) < _LEAST_WORDS or _shows_no_paper(document):
                continue
            text_blob = await self._blobs.put(document.text.encode(), "text/plain")
            found.append(replace(document, text_blob=text_blob))
        return found

    async def _ask_letters(self, situation: Situation, asked: LetterQuestions) -> ModelAnswer:
        prompt = self._prompts.get(_READ_LETTER)
        texts = [_shown(document) for document in asked.documents]
        return await self._models.complete(
            ModelRequest(
                run_id=situation.run_id,
                step_id=situation.step.step_id,
                agent=self.name,
                purpose="read_letter",
                messages=prompt.messages({}, texts),
                schema=asked.schema(),
                max_tokens=_LETTER_TOKENS,
                region=situation.region,
                prompt=prompt.reference,
                logprobs=True,
            )
        )

    async def _translate(self, situation: Situation, letters: Sequence[Document]) -> str | None:
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
                    agent=self.name,
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

    async def _understand_bill(
        self, situation: Situation, document: Document, kind: str, ordinal: int
    ) -> tuple[Bill, list[Finding]]:
        """The bill's total: proven by its own sums, or chosen by the model where they do not prove it."""
        amounts = tuple(find_amounts(document, situation.currency, bare=True))
        by_code = find_total(document, amounts)
        if by_code is not None and by_code.proven:
            # A line that says total, with stated parts that add up to it, leaves nothing to ask.
            total, sure = by_code.total, _PROVEN
        else:
            total, sure = await self._ask_total(situation, document, amounts, by_code, ordinal)
        findings: list[Finding] = []
        if total is not None and (parts := stated_parts(document, amounts, total)):
            text = json.dumps({"parts": [money_text(part) for part in parts], "total": money_text(total.value)})
            subject = Subject(name=f"document:{document.name}", text=text)
            findings.append(await self._guardrails.inspect("bill_adds_up", subject))
        return Bill(document=document, kind=kind, total=total, confidence=sure), findings

    async def _ask_total(
        self,
        situation: Situation,
        document: Document,
        amounts: Sequence[Candidate],
        by_code: BillTotal | None,
        ordinal: int,
    ) -> tuple[Candidate | None, float]:
        """The total the model chooses, weighed against the line that code found."""
        if not amounts:
            return None, 1.0
        prompt = self._prompts.get("extractor/read_bill")
        answer = await self._models.complete(
            ModelRequest(
                run_id=situation.run_id,
                step_id=situation.step.step_id,
                agent=self.name,
                purpose="read_bill",
                ordinal=ordinal,
                messages=prompt.messages({}, [_shown(document)]),
                schema=bill_schema(amounts),
                max_tokens=_BILL_TOKENS,
                region=situation.region,
                prompt=prompt.reference,
                logprobs=True,
            )
        )
        said = chosen(amounts, (answer.data or {}).get("total_to_pay"))
        sure = value_confidence(answer, "total_to_pay")
        return _weigh(said, by_code, _UNMEASURED if sure is None else sure)

    async def _instructions(self, documents: Sequence[Document]) -> list[Finding]:
        """Whether any document talks to the machine."""
        return [
            await self._guardrails.inspect(
                "instructions_in_document", Subject(name=f"{document.kind}:{document.name}", text=document.text)
            )
            for document in documents
        ]

    async def _in_source(
        self, facts: Sequence[Fact], documents: Sequence[Document]
    ) -> tuple[list[Fact], list[Finding]]:
        """Facts whose quotation stands in the text they name; the others are left out, with a finding each."""
        texts = {document.text_blob: document.text for document in documents}
        refused: dict[str, Finding] = {}
        for fact, span in spans_of(facts):
            finding = await self._guardrails.inspect(
                "span_in_source",
                Subject(
                    name=f"fact:{fact.name}",
                    text=span.quote,
                    context={"source": texts.get(fact.source.text_blob, "")},
                ),
            )
            if finding.verdict is not Verdict.PASS:
                refused[fact.fact_id] = finding
        return [fact for fact in facts if fact.fact_id not in refused], list(refused.values())

    async def _consistent(
        self, facts: Sequence[Fact], bills: Sequence[Bill], letters: Sequence[Document], claimed: Candidate | None
    ) -> list[Finding]:
        """Whether documents agree on the sum and on the policy."""
        sums = [_sum(bill.document.name, bill.total) for bill in bills if bill.total is not None]
        if claimed is not None:
            sums.append(_sum(claimed.document.name, claimed))
        policies = [
            {"source": fact.source.name, "number": fact.value} for fact in facts if fact.name == "policy_number"
        ]
        kind = next((fact.value for fact in facts if fact.name == "claim_kind"), None)
        found = [
            await self._guardrails.inspect(
                "amounts_consistent", Subject(name="claim:amount", text=json.dumps({"amounts": sums}))
            )
        ]
        if letters:
            content = json.dumps({"policy_numbers": policies, "claim_kind": kind})
            found.append(await self._guardrails.inspect("ids_consistent", Subject(name="claim:policy", text=content)))
        return found


def _itemised(situation: Situation, bills: Sequence[tuple[Document, str]]) -> list[ItemisedBill]:
    """The bills whose lines can be added up."""
    found = [
        itemised(document, tuple(find_amounts(document, situation.currency, bare=True)))
        for document, _ in bills[:_MOST_BILLS]
    ]
    return [bill for bill in found if bill is not None]


def _shows_no_paper(document: Document) -> bool:
    """Whether a picture that was read is no paper: a number plate or a shop sign is neither letter nor bill."""
    words = [word for word in document.text.split() if len(word) >= _WORD_LENGTH and word.isalpha()]
    return document.kind == "photo" and len(words) < _LEAST_PAPER_WORDS and bill_kind(document) is None


def _shown(document: Document) -> UntrustedText:
    return UntrustedText(label=document.name, text=document.text[:TEXT_LENGTH].strip())


def _bill_kind(document: Document) -> str | None:
    return None if document.kind == "message" or document.media_type == "message/rfc822" else bill_kind(document)


def _weigh(said: Candidate | None, by_code: BillTotal | None, sure: float) -> tuple[Candidate | None, float]:
    """The total and how sure it is, from what the model chose and the line that says total."""
    if by_code is None:
        return said, sure
    if said is not None and said.value == by_code.total.value:
        return by_code.total, max(sure, _AGREED)
    return by_code.total, _DISAGREED


def _sum(source: str, item: Candidate) -> dict[str, object]:
    return {"source": source, "amount": money_text(item.value), "currency": item.currency}


def _day_first(situation: Situation) -> bool:
    return situation.region != "us"


def _writing_days(
    letters: Sequence[Document], documents: Sequence[Document], situation: Situation
) -> dict[str, date | None]:
    """When each letter was written; what does not say it borrows the latest day of everything handed in."""
    own = {document.name: written_on(document, _day_first(situation)) for document in documents}
    latest = max((day for day in own.values() if day is not None), default=None)
    return {letter.name: own[letter.name] or latest for letter in letters}


def _papers(maker: FactMaker, documents: Sequence[Document]) -> list[Fact]:
    """Which pictures turned out to be papers, so that nobody looks for damage on them."""
    papers = [document for document in documents if document.kind == "photo"]
    if not papers:
        return []
    names = "\n".join(str(document.blob) for document in papers)
    shown = Source(kind="photo", name=", ".join(document.name for document in papers), blob=papers[0].blob)
    return [maker.fact("photographed_papers", names, shown, Trust.RULE, 1.0)]


def _reading_findings(plan: ReadingPlan) -> list[Finding]:
    """What could not be read, and what was too much to read."""
    found = [
        Finding(
            check="document_readable",
            verdict=Verdict.FLAG,
            subject=f"document:{reading.attachment.name}",
            message=f"It could not be read: {reading.failed}",
        )
        for reading in plan.readings
        if reading.failed and not reading.attachment.is_photo
    ]
    found += [
        Finding(
            check="document_readable", verdict=Verdict.FLAG, subject=f"document:{reading.attachment.name}", message=text
        )
        for reading in plan.readings
        for text in reading.problems
    ]
    if plan.left_out:
        names = [attachment.name for attachment in plan.left_out]
        found.append(
            Finding(
                check="documents_read",
                verdict=Verdict.FLAG,
                subject="attachments",
                message=f"{len(names)} files were not read because there are too many.",
                evidence={"names": names[:50]},
            )
        )
    return found
