"""Facts of a claim that the claims_intake playbook settles by itself."""

from typing import Any

from overseen.domain.facts import Fact, FactValue, Source, Span, Trust
from overseen.playbooks import load_playbook

PLAYBOOK = load_playbook("claims_intake")

PLAIN: dict[str, FactValue] = {
    "policy_number": "CAR-2214-KL",
    "claim_kind": "car",
    "incident_date": "2026-10-14",
    "claimant_name": "Priya Raman",
    "claimed_amount": "742.80",
    "estimate_total": "742.80",
    "currency": "GBP",
    "injury_reported": False,
    "claims_count": 1,
    "language": "en",
    "supporting_document": True,
    "payee_account": "20-45-11 60317752",
    "photos_count": 1,
    "photos_usable": 1,
    "photo_duplicate": False,
    "photo_before_incident": False,
    "photo_fingerprints": '[{"dhash": "b", "name": "1-door.jpg", "phash": "a"}]',
    "policy_found": True,
    "policy_status": "active",
    "policy_kind": "car",
    "policy_holder": "Priya Raman",
    "policy_holder_email": "priya.raman@example.com",
    "policy_covers_date": True,
    "excess": "250.00",
    "cover_limit": "15000.00",
    "policy_currency": "GBP",
    "clause": "A2",
    "covered": True,
    "prior_claims": 0,
}


RECORDS = frozenset(
    {
        "policy_found",
        "policy_status",
        "policy_kind",
        "policy_holder",
        "policy_holder_email",
        "excess",
        "cover_limit",
        "policy_currency",
    }
)


def fact(name: str, value: FactValue, confidence: float | None = 0.99, trust: Trust | None = None) -> Fact:
    """A fact as the agents make it: from the record, or from the letter with the place where it stands."""
    trust = trust or (Trust.RECORD if name in RECORDS else Trust.DOCUMENT)
    quote = str(value)
    span = Span(start=0, end=len(quote), quote=quote)
    source = Source(kind="document", name="letter.txt", blob="b" * 64, text_blob="a" * 64, span=span)
    return Fact(
        name=name, value=value, source=source, trust=trust, confidence=confidence, step_id="1", fact_id=f"fact_{name}"
    )


def facts(**changes: Any) -> dict[str, Fact]:
    """The plain claim with changes; a value of None leaves the fact out."""
    return {name: fact(name, value) for name, value in {**PLAIN, **changes}.items() if value is not None}
