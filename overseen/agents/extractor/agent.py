"""The extractor: turns letters, mails and bills into facts, each with the place it was read from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from overseen.agents.agent import CallTools, Conclude, Move, Situation
from overseen.agents.documents import Document, message_document
from overseen.agents.extractor.amounts import find_amounts
from overseen.agents.extractor.bill_lines import ItemisedBill, itemised, plan_sums
from overseen.agents.extractor.bill_reading import BillReader
from overseen.agents.extractor.candidates import Candidate
from overseen.agents.extractor.comparisons import Papers, comparisons
from overseen.agents.extractor.cues import bill_kind, injury_cue, tells
from overseen.agents.extractor.dangers import Dangers
from overseen.agents.extractor.dates import writing_days
from overseen.agents.extractor.facts import Bill, LetterFacts, bill_facts, currency_fact, spans_of
from overseen.agents.extractor.letter_reading import READ_LETTER, LetterReader, sheet_danger
from overseen.agents.extractor.parts import Part, Unread, first_parts, further_parts
from overseen.agents.extractor.questions import letter_questions
from overseen.agents.extractor.reading_plan import ReadingPlan, plan_reading
from overseen.agents.extractor.unread import LEAST_WORDS, hidden_findings, unread_files, unread_findings
from overseen.agents.facts import FactMaker
from overseen.domain.facts import Fact, Source, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.guardrails.check import Guardrails, Subject
from overseen.models.types import ModelPort
from overseen.prompts import PromptLibrary
from overseen.store import BlobStore

_MAX_BILLS = 4
_WORD_LENGTH = 3
_LEAST_PAPER_WORDS = 25


@dataclass(frozen=True, kw_only=True)
class _Read:
    """Everything that was handed in, once it is read: letters are all documents that are no bills."""

    plan: ReadingPlan
    documents: tuple[Document, ...]
    letters: tuple[Document, ...]
    bills: tuple[tuple[Document, str], ...]


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What the letters gave."""

    facts: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    claimed: Candidate | None = None


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
        self._prompts = prompts
        self._blobs = blobs
        self._guardrails = guardrails
        self._bill_reader = BillReader(self.name, models, prompts, guardrails)
        self._letter_reader = LetterReader(self.name, models, prompts)

    async def think(self, situation: Situation) -> Move:
        """Ask for unread files; once all are read, have the lines of bills added up; then conclude."""
        plan = plan_reading(situation, self.name)
        if plan.missing:
            return CallTools(calls=plan.missing)
        documents = await self._documents(situation, plan)
        bills = [(document, kind) for document in documents if (kind := _bill_kind(document))]
        letters = [document for document in documents if not any(document is bill for bill, _ in bills)]
        read = _Read(plan=plan, documents=tuple(documents), letters=tuple(letters), bills=tuple(bills))
        sums = plan_sums(situation, self.name, _itemised(situation, bills), after=len(plan.readings))
        if sums.missing:
            return CallTools(calls=sums.missing)
        findings = [*hidden_findings(plan.readings), *await self._instructions(read), *sums.findings()]
        understood, found, unread = await self._understand_bills(situation, read)
        findings += found
        told = await self._told(situation, read, unread)
        findings += [*told.findings, *unread_findings(plan, told.unread)]
        maker = FactMaker(situation)
        facts = [*told.facts, *bill_facts(maker, understood)]
        facts.append(currency_fact(maker, understood, told.claimed, situation.currency))
        facts += _papers(maker, documents)
        kept, refused = await self._in_source(facts, documents)
        papers = Papers(letters=read.letters, bills=tuple(understood), facts=tuple(kept), claimed=told.claimed)
        findings += [*refused, *await comparisons(self._guardrails, situation, papers)]
        return Conclude(facts=tuple(kept), findings=tuple(findings))

    async def _documents(self, situation: Situation, plan: ReadingPlan) -> list[Document]:
        """The message first, then everything read that holds words; each text is stored for spans to point into."""
        found: list[Document] = []
        if situation.message_blob is not None:
            text = (await self._blobs.get(situation.message_blob)).decode("utf-8", errors="replace")
            if text.strip():
                found.append(message_document(text, situation.message_blob))
        for reading in plan.readings:
            document = reading.document()
            if document is None or len(document.text.split()) < LEAST_WORDS or _shows_no_paper(document):
                continue
            text_blob = await self._blobs.put(document.text.encode(), "text/plain")
            found.append(replace(document, text_blob=text_blob))
        return found

    async def _understand_bills(
        self, situation: Situation, read: _Read
    ) -> tuple[list[Bill], list[Finding], tuple[Unread, ...]]:
        """The bills as understood, what speaks against them, and what of them nobody looked at."""
        understood: list[Bill] = []
        findings: list[Finding] = []
        unread = [Unread(name=bill.name, amount="the whole bill") for bill, _ in read.bills[_MAX_BILLS:]]
        for ordinal, (document, kind) in enumerate(read.bills[:_MAX_BILLS]):
            bill, found, left_out = await self._bill_reader.understand(situation, document, kind, ordinal)
            understood.append(bill)
            findings += found
            unread += left_out
        return understood, findings, tuple(unread)

    async def _told(self, situation: Situation, read: _Read, unread_bills: Sequence[Unread]) -> _Told:
        """The facts of the letters. A bill that tells something in sentences is asked about dangers like a letter."""
        if not read.letters:
            return _Told(unread=tuple(unread_bills))
        written = writing_days(read.letters, read.documents, day_first(situation))
        asked = letter_questions(read.letters, written, situation.currency, day_first(situation))
        shown = first_parts(read.letters)
        answer = await self._letter_reader.ask(situation, asked, shown)
        telling = [bill for bill, _ in read.bills if tells(bill.text)]
        parts, too_long = further_parts([*read.letters, *telling], shown)
        answers, unanswered = await self._letter_reader.dangers(situation, parts)
        unread = (*unread_bills, *too_long, *unanswered)
        dangers = Dangers(
            answers=(sheet_danger(_main(shown), answer), *answers),
            documents=read.documents,
            unread=(*unread_files(read.plan), *unread),
        )
        facts = LetterFacts(
            FactMaker(situation),
            asked,
            answer,
            dangers=dangers,
            language=situation.language,
            question=self._prompts.get(READ_LETTER).source,
            translation=await self._letter_reader.translate(situation, read.letters),
        )
        found = tuple(facts.all())
        return _Told(facts=found, findings=tuple(facts.findings), unread=unread, claimed=facts.claimed())

    async def _instructions(self, read: _Read) -> list[Finding]:
        """Whether any document talks to the machine, in words that are seen or in hidden ones."""
        unseen = {
            reading.attachment.blob: {
                "hidden_text": "\n".join(item.text for item in reading.hidden),
                "removed_characters": reading.removed_characters,
            }
            for reading in read.plan.readings
        }
        return [
            await self._guardrails.inspect(
                "instructions_in_document",
                Subject(
                    name=f"{document.kind}:{document.name}",
                    text=document.text,
                    context=unseen.get(document.blob or "", {}),
                ),
            )
            for document in read.documents
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


def _itemised(situation: Situation, bills: Sequence[tuple[Document, str]]) -> list[ItemisedBill]:
    """The bills whose lines can be added up."""
    found = [
        itemised(document, tuple(find_amounts(document, situation.currency, bare=True)))
        for document, _ in bills[:_MAX_BILLS]
    ]
    return [bill for bill in found if bill is not None]


def _shows_no_paper(document: Document) -> bool:
    """Whether a picture that was read is no paper: a number plate or a shop sign is neither letter nor bill.

    A short note that speaks of an injury is one, however short.
    """
    words = [word for word in document.text.split() if len(word) >= _WORD_LENGTH and word.isalpha()]
    few = document.kind == "photo" and len(words) < _LEAST_PAPER_WORDS
    return few and bill_kind(document) is None and injury_cue(document.text) is None


def _main(shown: Sequence[Part]) -> Document:
    """The document that a sheet's answer is about where it names no place: the longest that was shown."""
    return max(shown, key=lambda part: part.end - part.start).document


def _bill_kind(document: Document) -> str | None:
    return None if document.kind == "message" or document.media_type == "message/rfc822" else bill_kind(document)


def day_first(situation: Situation) -> bool:
    """Whether 03/10 is the third of October where the run takes place."""
    return situation.region != "us"


def _papers(maker: FactMaker, documents: Sequence[Document]) -> list[Fact]:
    """Which pictures turned out to be papers, so that nobody looks for damage on them."""
    papers = [document for document in documents if document.kind == "photo"]
    if not papers:
        return []
    names = "\n".join(str(document.blob) for document in papers)
    shown = Source(kind="photo", name=", ".join(document.name for document in papers), blob=papers[0].blob)
    return [maker.fact("photographed_papers", names, shown, Trust.RULE, 1.0)]
