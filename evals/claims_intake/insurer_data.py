"""The seed of the insurer database, from the YAML files beside this module, as SQL and as facts that cases expect."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
KINDS = {"CAR": "car", "HOM": "home", "TRV": "travel"}
_HEADER = """\
-- Seed of the insurer database. Made by evals/claims_intake/make_samples.py from policies.yaml, wording.yaml and
-- earlier_claims.yaml beside it; the photo hashes are those of the photos it painted. Safe to run again.
"""


def _load(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def policies() -> dict[str, dict[str, Any]]:
    """Policy number -> row of the table `policies`."""
    names = ("holder", "holder_email", "status", "starts_on", "ends_on", "excess", "cover_limit", "currency", "region")
    return {
        number: {"kind": KINDS[number[:3]], **dict(zip(names, row, strict=True))}
        for number, row in _load("policies.yaml").items()
    }


def clauses() -> dict[str, dict[str, str]]:
    """Clause id -> kind, effect, title, body."""
    return {
        clause_id: {"kind": kind, "effect": effect, "title": title, "body": body}
        for kind, rows in _load("wording.yaml").items()
        for clause_id, effect, title, body in rows
    }


def earlier_claims() -> dict[str, dict[str, Any]]:
    """Claim id -> row of the table `claims`, and `scenes`: the names of the photos that came with it."""
    names = ("policy_number", "incident_on", "amount", "status", "registered_at", "scenes")
    return {claim_id: dict(zip(names, row, strict=True)) for claim_id, row in _load("earlier_claims.yaml").items()}


def record_facts(policy_number: str, incident_on: str | None, clause: str) -> dict[str, Any]:
    """What the policy lookup must find for that policy, day and clause."""
    policy = policies()[policy_number]
    effect = clauses()[clause]["effect"]
    covers_date = None
    if incident_on is not None:
        covers_date = policy["starts_on"] <= date.fromisoformat(incident_on) <= policy["ends_on"]
    return {
        "policy_found": True,
        "policy_status": policy["status"],
        "policy_kind": policy["kind"],
        "policy_holder": policy["holder"],
        "policy_covers_date": covers_date,
        "excess": f"{policy['excess']:.2f}",
        "cover_limit": f"{policy['cover_limit']:.2f}",
        "policy_currency": policy["currency"],
        "clause": clause,
        "covered": effect == "covers",
        "prior_claims": sum(claim["policy_number"] == policy_number for claim in earlier_claims().values()),
    }


def _quoted(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:.2f}"
    return "'" + str(value).replace("'", "''") + "'"


def _insert(table: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = ",\n".join("    (" + ", ".join(_quoted(value) for value in row) + ")" for row in rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES\n{lines}\nON CONFLICT DO NOTHING;\n"


def seed_sql(hashes: Mapping[str, tuple[str, str]]) -> str:
    """The whole seed. `hashes` maps a scene name to its (phash, dhash) as hexadecimal digits."""
    held = [(number, *row.values()) for number, row in policies().items()]
    wording = [
        (clause_id, row["kind"], row["title"], row["body"], row["effect"]) for clause_id, row in clauses().items()
    ]
    claims = earlier_claims()
    settled = [
        (
            claim_id,
            row["policy_number"],
            row["incident_on"],
            row["amount"],
            row["status"],
            row["registered_at"].isoformat(),
            claim_id,
        )
        for claim_id, row in claims.items()
    ]
    photos = [
        (claim_id, f"{scene}.jpg", *hashes[scene], row["registered_at"].isoformat())
        for claim_id, row in claims.items()
        for scene in row["scenes"]
    ]
    first = next(iter(policies().values()))
    parts = (
        _insert("policies", ("policy_number", *first), held),
        _insert("clauses", ("clause_id", "kind", "title", "body", "effect"), wording),
        _insert(
            "claims",
            ("claim_id", "policy_number", "incident_on", "amount", "status", "registered_at", "idempotency_key"),
            settled,
        ),
        _insert("claim_photos", ("claim_id", "photo_name", "phash", "dhash", "added_at"), photos),
    )
    return _HEADER + "\n" + "\n".join(parts)
