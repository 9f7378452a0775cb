"""The claim of the page tests: its letter, pictures, plan, facts, ruling and proposal."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from io import BytesIO

from PIL import Image, ImageDraw

from overseen.domain.facts import Box, Fact, Source, Span, Trust
from overseen.domain.identifiers import derived_id
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Outcome, Ruling, RunState
from overseen.domain.plans import Plan, Step
from overseen.domain.proposals import Proposal, ProposedCall

LETTER = """From: Dana Whitfield <dana.whitfield@example.org>
To: claims@harbourmutual.example
Subject: Claim on policy HOM-4471-BX

Dear Harbour Mutual,

on 3 March 2026 the washing machine hose in our kitchen in Leeds burst while we
were out. Water ran into the hall and ruined the oak floor. A floor layer has
looked at it and his estimate is attached, 1,840.50 GBP in all.

Two photos are attached too. Please pay to GB29 NWBK 6016 1331 9268 19.

Yours sincerely
Dana Whitfield
"""


def estimate_page() -> bytes:
    """A scanned estimate as a picture of 800 by 1000."""
    image = Image.new("RGB", (800, 1000), "#fdfcf8")
    draw = ImageDraw.Draw(image)
    draw.text((60, 60), "NORTHGATE FLOORS", fill="#222", font_size=34)
    draw.text((60, 110), "14 Kirkgate, Leeds   Estimate 2214", fill="#444", font_size=20)
    rows = [
        ("Take up oak floor, 14 m2", "420.00"),
        ("Dry out, 5 days", "380.50"),
        ("New oak floor, fitted", "1,040.00"),
    ]
    for number, (label, amount) in enumerate(rows):
        draw.text((60, 220 + 50 * number), label, fill="#222", font_size=22)
        draw.text((640, 220 + 50 * number), amount, fill="#222", font_size=22)
    draw.line((60, 390, 740, 390), fill="#222", width=2)
    draw.text((60, 410), "Total GBP", fill="#111", font_size=26)
    draw.text((620, 410), "1,840.50", fill="#111", font_size=26)
    return _png(image)


def photo(tint: str) -> bytes:
    """A simple picture of a wet floor."""
    image = Image.new("RGB", (900, 600), tint)
    draw = ImageDraw.Draw(image)
    for place in range(0, 900, 90):
        draw.polygon([(place, 600), (place + 45, 240), (place + 90, 600)], outline="#5a4632", width=3)
    draw.ellipse((260, 340, 700, 540), fill="#7fa3b8", outline="#486a7d", width=4)
    return _png(image)


def _png(image: Image.Image) -> bytes:
    target = BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


HOLDER_EMAIL = "dana.whitfield@example.com"


def _span(quote: str) -> Span:
    start = LETTER.index(quote)
    return Span(start=start, end=start + len(quote), quote=quote)


def claim_plan() -> Plan:
    """Three steps, two of which need the first."""
    return Plan(
        origin="model",
        steps=(
            Step(
                step_id="step-1",
                agent="extractor",
                goal="Read the letter and the estimate.",
                needs=(),
                produces=("policy_number", "incident_date", "estimate_total", "payee_account"),
            ),
            Step(
                step_id="step-2",
                agent="vision_checker",
                goal="Check the photos.",
                needs=("incident_date",),
                produces=("photos_count", "photo_duplicate"),
            ),
            Step(
                step_id="step-3",
                agent="policy_lookup",
                goal="Find the policy.",
                needs=("policy_number", "incident_date"),
                produces=("policy_status", "excess", "cover_limit", "clause"),
            ),
        ),
    )


def claim_facts(blobs: Sequence[str], text_blob: str) -> tuple[Fact, ...]:
    """Facts of the letter, the estimate, the photo and the records."""
    letter = Source(kind="document", name="letter.eml", blob=blobs[0], text_blob=text_blob)
    total = Source(
        kind="document",
        name="estimate.png",
        blob=blobs[1],
        boxes=(Box(page=1, x=0.765, y=0.405, width=0.16, height=0.042),),
    )
    record = Source(kind="record", name="policies")
    return (
        _fact("policy_number", "HOM-4471-BX", replace(letter, span=_span("HOM-4471-BX")), 0.99, "step-1"),
        _fact("incident_date", "2026-03-03", replace(letter, span=_span("3 March 2026")), 0.97, "step-1"),
        _fact("claimant_name", "Dana Whitfield", replace(letter, span=_span("Dana Whitfield")), 0.98, "step-1"),
        _fact("claimed_amount", "1840.50", replace(letter, span=_span("1,840.50 GBP")), 0.93, "step-1"),
        _fact("estimate_total", "1840.50", total, 0.98, "step-1"),
        _fact(
            "payee_account",
            "GB29 NWBK 6016 1331 9268 19",
            replace(letter, span=_span("GB29 NWBK 6016 1331 9268 19")),
            0.88,
            "step-1",
        ),
        _fact("photos_count", 2, Source(kind="photo", name="floor.png", blob=blobs[2]), 1.0, "step-2"),
        _fact("photo_duplicate", False, record, None, "step-2", Trust.RECORD),
        _fact("policy_status", "active", record, None, "step-3", Trust.RECORD),
        _fact("excess", "250.00", record, None, "step-3", Trust.RECORD),
        _fact("cover_limit", "5000.00", record, None, "step-3", Trust.RECORD),
        _fact("clause", "A3", record, None, "step-3", Trust.RECORD),
        _fact("policy_holder_email", HOLDER_EMAIL, record, None, "step-3", Trust.RECORD),
    )


def _fact(
    name: str,
    value: str | int | bool,
    source: Source,
    confidence: float | None,
    step_id: str,
    trust: Trust = Trust.DOCUMENT,
) -> Fact:
    return Fact(
        name=name,
        value=value,
        source=source,
        trust=trust,
        confidence=confidence,
        step_id=step_id,
        fact_id=derived_id("fact", name),
    )


def claim_ruling(state: RunState) -> tuple[Ruling, BoundaryVerdict]:
    """What rules and boundary say of a claim that ends in `state`."""
    if state is RunState.DENIED:
        return (
            Ruling(
                outcome=Outcome.DENY,
                amount=None,
                currency="GBP",
                sum_terms=(),
                rules=("coverage-7",),
                reasons=("The policy lapsed on 31 January 2026, before the incident.",),
            ),
            BoundaryVerdict(
                level=BoundaryLevel.HUMAN_ONLY, reasons=("A denial is always decided by a person",), rules=("b1",)
            ),
        )
    if state is RunState.WAITING_REQUESTER:
        return (
            Ruling(
                outcome=Outcome.ASK,
                amount=None,
                currency="GBP",
                sum_terms=(),
                rules=("missing-1",),
                reasons=("There is no estimate or invoice for the window.",),
                missing=("supporting_document",),
            ),
            BoundaryVerdict(level=BoundaryLevel.AUTOMATE, reasons=("Asking costs nothing",), rules=("b4",)),
        )
    amount = Decimal("1590.50")
    terms = (("estimate", Decimal("1840.50")), ("excess", Decimal("-250.00")))
    ruling = Ruling(
        outcome=Outcome.SETTLE,
        amount=amount,
        currency="GBP",
        sum_terms=terms,
        rules=("coverage-3", "amount-1"),
        reasons=(
            "Escape of water is covered by clause A3.",
            "The excess of 250.00 is taken off.",
            "The amount is within the limit of 5,000.00.",
        ),
    )
    verdict = BoundaryVerdict(
        level=BoundaryLevel.ASSIST,
        rules=("b2", "b3"),
        reasons=("The amount is above 1,000.00", "Photo floor.png is blurred"),
    )
    return ruling, verdict


def claim_proposal(ruling: Ruling) -> Proposal:
    """The calls the ruling leads to."""
    if ruling.outcome is not Outcome.SETTLE:
        return Proposal(ruling=ruling, calls=())
    facts: Mapping[str, str] = {"policy_number": "policy_number"}
    return Proposal(
        ruling=ruling,
        calls=(
            ProposedCall(
                tool="register_claim",
                arguments={
                    "policy_number": "HOM-4471-BX",
                    "incident_date": "2026-03-03",
                    "amount": "1590.50",
                    "status": "settled",
                    "photos": ["floor.png"],
                },
                argument_facts={**facts, "incident_date": "incident_date"},
            ),
            ProposedCall(
                tool="pay_settlement",
                arguments={
                    "policy_number": "HOM-4471-BX",
                    "payee": "GB29 NWBK 6016 1331 9268 19",
                    "amount": "1590.50",
                    "currency": "GBP",
                },
                argument_facts={**facts, "payee": "payee_account"},
            ),
            ProposedCall(
                tool="write_to_claimant",
                arguments={
                    "to_address": "dana.whitfield@example.org",
                    "subject": "Your claim on policy HOM-4471-BX",
                    "body": "Dear Dana Whitfield,\n\nwe settle your claim with 1,590.50 GBP.\n\nHarbour Mutual",
                },
            ),
        ),
    )
