"""The decision screen: one amount that every call follows, edits that wait for a second person, questions that ask."""

import json
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from overseen.api.services import Services
from overseen.domain.canonical import canonical_json, plain
from overseen.domain.outcomes import Outcome
from overseen.graphs.review_nodes import plain_proposal
from overseen.reviews import ReviewFilters
from overseen.store.tables import Decision, Review
from overseen.supervisor.boundary import decide_boundary
from overseen.supervisor.proposal import build_proposal
from overseen.supervisor.ruling import compute_ruling
from tests.contract.web.conftest import Door
from tests.unit.supervisor.cases import PLAYBOOK, facts
from tests.web_scenario import House

PRINTS = '[{"dhash": "00000000000000ff", "name": "1-door.jpg", "phash": "00000000000000aa"}]'
LARGE = {"claimed_amount": Decimal("2846.00"), "estimate_total": Decimal("2846.00"), "photo_fingerprints": PRINTS}
MONEY = {"excess": Decimal("250.00"), "cover_limit": Decimal("15000.00")}


async def put_case(services: Services, review_id: str, **changes: Any) -> str:
    """Let the case be a claim that the rules of the playbook have looked at; returns the digest to decide on."""
    known = facts(**{**LARGE, **MONEY, **changes})
    ruling = compute_ruling(PLAYBOOK, known)
    proposal = build_proposal(PLAYBOOK, ruling, known)
    content = {
        "proposal": plain_proposal(proposal, PLAYBOOK),
        "digest": proposal.digest,
        "ruling": plain(ruling),
        "boundary": plain(decide_boundary(PLAYBOOK, ruling, known, [], proposal.calls)),
        "facts": plain(list(known.values())),
        "findings": [],
    }
    async with services.database.transaction() as session:
        review = await session.get_one(Review, review_id)
        review.proposal_blob = await services.blobs.put(canonical_json(content), "application/json", session=session)
        review.proposal_digest, review.amount = proposal.digest, ruling.amount
        review.outcome = ruling.outcome.value
    return proposal.digest


async def stored_calls(services: Services, review_id: str) -> dict[str, Any]:
    async with services.database.read() as session:
        decision = (await session.scalars(select(Decision).where(Decision.review_id == review_id))).one()
    stored = json.loads(await services.blobs.get(decision.edit_blob or ""))
    return {call["tool"]: call["arguments"] for call in stored["calls"]}


async def test_one_amount_on_the_form_changes_every_call_and_the_letter(
    door: Door, services: Services, house: House
) -> None:
    digest = await put_case(services, house.review)
    rene = await door.browser("rene")
    page = (await rene.get(f"/reviews/{house.review}")).text
    assert 'name="amount" value="2596.00"' in page
    assert "call-1.amount" not in page
    case = await services.reviews.case(house.review)
    letter = case.content["proposal"]["calls"][2]["arguments"]["body"]
    sent = {
        "kind": "edit",
        "proposal_digest": digest,
        "reason": "Half the door.",
        "amount": "2,000.00",
        "call-1.payee": "Priya Raman",
        "call-2.body": letter.replace("\n", "\r\n"),
    }
    answer = await rene.post(f"/reviews/{house.review}/decision", data=sent)
    assert answer.status_code == 303
    assert "second" not in answer.headers["location"]
    calls = await stored_calls(services, house.review)
    assert calls["register_claim"]["amount"] == calls["pay_settlement"]["amount"] == "2000.00"
    assert calls["pay_settlement"]["payee"] == "Priya Raman"
    assert "2,000.00 GBP" in calls["write_to_claimant"]["body"]
    assert "2,596.00" not in calls["write_to_claimant"]["body"]


async def test_an_edit_that_cannot_be_says_why_and_keeps_what_was_typed(
    door: Door, services: Services, house: House
) -> None:
    digest = await put_case(services, house.review)
    rene = await door.browser("rene")
    sent = {"kind": "edit", "proposal_digest": digest, "reason": "More.", "amount": "9999999999.99"}
    answer = await rene.post(f"/reviews/{house.review}/decision", data=sent)
    assert answer.status_code == 422
    assert "is above “Cover limit” (15,000.00)" in answer.text
    assert 'value="9999999999.99"' in answer.text


async def test_an_edit_beyond_the_rules_says_that_it_waits_for_a_second_person(
    door: Door, services: Services, house: House
) -> None:
    digest = await put_case(services, house.review)
    rene = await door.browser("rene")
    sent = {"kind": "edit", "proposal_digest": digest, "reason": "Goodwill.", "amount": "2700.00"}
    answer = await rene.post(f"/reviews/{house.review}/decision", data=sent)
    assert "second=1" in answer.headers["location"]
    page = (await rene.get(answer.headers["location"])).text
    assert "Your edit waits for a second reviewer" in page


async def test_the_api_says_why_a_second_person_is_needed(door: Door, services: Services, house: House) -> None:
    digest = await put_case(services, house.review)
    rene = await door.program("rene")
    sent = {"kind": "edit", "proposal_digest": digest, "reason": "Goodwill.", "edit": {"amount": "2700.00"}}
    answer = await rene.post(f"/api/v1/reviews/{house.review}/decision", json=sent)
    assert answer.json()["second_person"] == ["2,700.00 GBP is more than the rules came to (2,596.00)."]


async def test_ones_own_edit_is_shown_and_cannot_be_decided(door: Door, services: Services, house: House) -> None:
    digest = await put_case(services, house.review)
    rene = await services.accounts.viewer("rene")
    async with services.database.transaction() as session:
        (await session.get_one(Review, house.review)).edited_by = rene.account_id
    page = (await (await door.browser("rene")).get(f"/reviews/{house.review}")).text
    assert "This is your own edit, so a second person decides it." in page
    assert "decide-approve" not in page
    filters = ReviewFilters()
    following = await services.review_queue.following(house.other_review, filters, reviewer_id=rene.account_id)
    assert following != house.review
    sent = {"kind": "approve", "proposal_digest": digest}
    answer = await (await door.program("rene")).post(f"/api/v1/reviews/{house.review}/decision", json=sent)
    assert answer.status_code == 403


async def test_approving_a_question_says_that_it_asks_and_for_what(
    door: Door, services: Services, house: House
) -> None:
    await put_case(services, house.review, supporting_document=False, estimate_total=None, policy_holder_email=None)
    assert (await services.reviews.case(house.review)).summary.outcome == Outcome.ASK
    page = (await (await door.browser("rene")).get(f"/reviews/{house.review}")).text
    assert "Approve question" in page
    assert "Approve and ask" in page
    assert "They are asked for:" in page
    assert "An itemised estimate, invoice or receipt" in page
    assert "the case is closed with your reason" not in page
