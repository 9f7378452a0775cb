"""Checks on photos: can anything be seen on them, were they used before, were they taken after the incident."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from overseen.guardrails.check import Judgement, Subject, abstained, blocked, flagged, passed


def judge_photo_unusable(subject: Subject) -> Judgement:
    """`text` is the JSON result of `inspect_image`."""
    seen = _object(subject.text)
    if seen.get("usable") is None:
        return abstained("The photo could not be looked at.")
    if not seen["usable"]:
        problems = [item for item in seen.get("problems") or () if isinstance(item, Mapping)]
        why = " ".join(str(item.get("message")) for item in problems)
        codes = [str(item.get("code")) for item in problems]
        return flagged(f"The photo cannot be used as evidence. {why}".strip(), problems=codes)
    return passed("The photo can be used.")


def judge_photo_duplicate(subject: Subject) -> Judgement:
    """`text` is the JSON result of `find_duplicate_photos`; `context["own_claims"]` are claim ids that do not count."""
    matches = _object(subject.text).get("matches")
    if not isinstance(matches, list):
        return abstained("The photo could not be compared with earlier claims.")
    own = subject.context.get("own_claims") or ()
    known = [match for match in matches if isinstance(match, Mapping) and match.get("claim_id") not in tuple(own)]  # type: ignore[arg-type]
    if known:
        return blocked(
            "The photo was already used for an earlier claim.",
            matches=[{name: match.get(name) for name in ("claim_id", "photo_name", "distance")} for match in known[:5]],
        )
    return passed("No earlier claim has this photo.")


def judge_photo_before_incident(subject: Subject) -> Judgement:
    """`text` is the JSON result of `inspect_image`; `context["incident_date"]` an ISO date."""
    taken, incident = _object(subject.text).get("taken_at"), subject.context.get("incident_date")
    if not taken:
        return passed("The photo does not say when it was taken.")
    if not incident:
        return abstained("There is no date of the incident to compare with.", taken_on=str(taken)[:10])
    try:
        taken_on, incident_on = date.fromisoformat(str(taken)[:10]), date.fromisoformat(str(incident))
    except ValueError:
        return abstained("The date on the photo could not be read.")
    if taken_on < incident_on:
        return blocked(
            "The photo was taken before the incident.", taken_on=taken_on.isoformat(), incident_date=str(incident)
        )
    return passed("The photo was taken after the incident.", taken_on=taken_on.isoformat())


def _object(text: str) -> Mapping[str, Any]:
    data = json.loads(text)
    return data if isinstance(data, Mapping) else {}
