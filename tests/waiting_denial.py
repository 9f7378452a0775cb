"""A drafted denial that waits for a reviewer, every word of it findable."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import update

from overseen.api.services import Services
from overseen.domain.canonical import canonical_json, plain
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Outcome, Ruling
from overseen.journal import events
from overseen.store.tables import CallRecord, ModelCallRecord, Review, Run

DRAFT_WORDS = (
    "lapsed before the heron",  # the ruling's reason
    "heron clause H9",  # the explanation
    "heron watch",  # the boundary's reason
    "heron sighted twice",  # a finding
    "7731.42",  # the amount
    "7,731.42",
    "heron-row-1",  # the row of the decision table
    "write_to_heron",  # the call that would tell it
    "human_only",
)


@dataclass(frozen=True, kw_only=True)
class DraftedDenial:
    """Where the draft is kept: the digests of its contents."""

    blobs: tuple[str, ...]


async def draft_denial(services: Services, run_id: str) -> DraftedDenial:
    """Make the draft of a waiting run a denial, in rows, contents and journal."""
    ruling = Ruling(
        outcome=Outcome.DENY,
        amount=Decimal("7731.42"),
        currency="GBP",
        sum_terms=(("heron watch", Decimal("7731.42")),),
        reasons=("The policy lapsed before the heron came.",),
        rules=("heron-row-1",),
    )
    boundary = BoundaryVerdict(
        level=BoundaryLevel.HUMAN_ONLY, reasons=("A heron watch is always decided by a person.",), rules=("heron-b",)
    )

    async def put(value: object) -> str:
        return await services.blobs.put(canonical_json(plain(value)), "application/json")

    ruling_blob = await put({"ruling": ruling, "boundary": boundary, "findings": []})
    explanation = await put({"text": "Denied by heron clause H9.", "cited_facts": ["excess"], "author": "model"})
    letter = await put({"body": "We deny it: it lapsed before the heron.", "tool": "write_to_heron"})
    told: tuple[events.Event, ...] = (
        events.FindingReported(check="heron", verdict="flag", subject="run", message="The heron sighted twice."),
        events.RulingComputed(
            outcome="deny",
            amount="7731.42",
            currency="GBP",
            decision_class="deny",
            rules=ruling.rules,
            ruling_blob=ruling_blob,
        ),
        events.Explained(explanation_blob=explanation, author="model", cited_facts=("excess",)),
        events.BoundaryDecided(
            level="human_only", reasons=boundary.reasons, rules=boundary.rules, proposal_digest="f" * 64
        ),
        events.CallStarted(
            call_id="call_heron",
            step_id="act",
            agent="supervisor",
            tool="write_to_heron",
            effect="write",
            digest="d" * 64,
            arguments_blob=letter,
            argument_facts={},
            attempt=1,
        ),
    )
    async with services.database.transaction() as session:
        row = {"outcome": "deny", "amount": ruling.amount, "currency": "GBP", "boundary": "human_only"}
        await session.execute(
            update(Run).where(Run.run_id == run_id).values(**row, ruling_blob=ruling_blob, explanation_blob=explanation)
        )
        await session.execute(update(Review).where(Review.run_id == run_id).values(**row))
        session.add(
            CallRecord(
                call_id="call_heron",
                run_id=run_id,
                step_id="act",
                agent="supervisor",
                tool="write_to_heron",
                effect="write",
                digest="d" * 64,
                arguments_blob=letter,
                state="started",
                timings={},
            )
        )
        session.add(
            ModelCallRecord(
                model_call_id="model_heron",
                run_id=run_id,
                step_id="explain",
                purpose="explain_heron watch",
                request_digest="e" * 64,
                request_blob=letter,
                answer_blob=explanation,
                route="local",
                model="a-model",
                input_tokens=1,
                output_tokens=1,
                cost_usd=Decimal(0),
                seconds=Decimal(1),
            )
        )
        for event in told:
            await services.journal.append(event, stream=run_id, actor="worker:worker-1", session=session)
    return DraftedDenial(blobs=(ruling_blob, explanation, letter))
