"""The vision checker's facts: counts, signs of fraud, and what could not be looked at."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overseen.agents.agent import Attachment
from overseen.agents.facts import FactMaker
from overseen.domain.calls import CallResult
from overseen.domain.facts import Fact, Source, Trust
from overseen.domain.findings import Finding, Verdict

_NAME_LENGTH = 120


@dataclass(frozen=True, kw_only=True)
class SeenPhoto:
    """A photo with what was found out about it. `inspected` and `compared` are tool results, `findings` by check."""

    attachment: Attachment
    inspected: CallResult
    compared: CallResult | None
    findings: Mapping[str, Finding]
    shows: str | None = None

    @property
    def value(self) -> Mapping[str, Any]:
        """The result of `inspect_image`."""
        return self.inspected.value if isinstance(self.inspected.value, Mapping) else {}

    @property
    def usable(self) -> bool:
        """Whether something can be seen on it."""
        return self.value.get("usable") is True

    def says(self, check: str) -> Verdict | None:
        """What a check said about it; None when it was not asked."""
        finding = self.findings.get(check)
        return finding.verdict if finding else None

    def source(self) -> Source:
        """The photo as where a fact came from."""
        return Source(
            kind="photo",
            name=self.attachment.name,
            blob=self.attachment.blob,
            call_id=self.inspected.call_id,
        )


def photo_facts(maker: FactMaker, photos: Sequence[SeenPhoto], *, everything: bool) -> list[Fact]:
    """All facts about the photos. A sign of fraud names the photo that shows it; the absence of one, all photos.

    It is absent only where every photo was looked at: `everything` says that none was left out.
    """
    facts = [
        _about(maker, "photos_count", len(photos), photos),
        _about(maker, "photos_usable", sum(photo.usable for photo in photos), photos),
    ]
    for name in ("photo_duplicate", "photo_before_incident"):
        shown = [photo for photo in photos if photo.says(name) is Verdict.BLOCK]
        unknown = [photo for photo in photos if photo.says(name) is Verdict.ABSTAIN]
        if shown or (everything and not unknown):
            facts.append(_about(maker, name, bool(shown), shown or photos))
    facts.append(_about(maker, "photo_note", photo_note(photos), photos))
    if prints := fingerprints(photos):
        facts.append(_about(maker, "photo_fingerprints", json.dumps(prints, sort_keys=True), photos))
    return facts


def fingerprints(photos: Sequence[SeenPhoto]) -> list[dict[str, str]]:
    """Name and hashes of each photo that has them, as `register_claim` takes them; names are made distinct."""
    found: list[dict[str, str]] = []
    for number, photo in enumerate(photos, start=1):
        phash, dhash = photo.value.get("phash"), photo.value.get("dhash")
        if phash and dhash:
            name = f"{number}-{photo.attachment.name}"[:_NAME_LENGTH]
            found.append({"name": name, "phash": str(phash), "dhash": str(dhash)})
    return found


def photo_note(photos: Sequence[SeenPhoto]) -> str:
    """What was looked at and what was not, in plain sentences."""
    if not photos:
        return "No photo was handed in."
    usable = sum(photo.usable for photo in photos)
    lines = [f"{usable} of {len(photos)} {'photo' if len(photos) == 1 else 'photos'} can be used."]
    for photo in photos:
        lines += [finding.message for finding in photo.findings.values() if finding.verdict is not Verdict.PASS]
    dated = sorted(str(photo.value["taken_at"])[:10] for photo in photos if photo.value.get("taken_at"))
    lines.append(f"Taken on {', '.join(dict.fromkeys(dated))}." if dated else "No photo says when it was taken.")
    shown = [photo.shows for photo in photos if photo.shows]
    lines.append(" ".join(shown) if shown else "No model looked at what the photos show.")
    return " ".join(dict.fromkeys(lines))


def _about(maker: FactMaker, name: str, value: Any, photos: Sequence[SeenPhoto]) -> Fact:
    """A fact worked out by code from the photos; it points at the first of them and names them all."""
    if not photos:
        return maker.fact(name, value, Source(kind="rule", name="photos handed in"), Trust.RULE, 1.0)
    first = photos[0].source()
    names = ", ".join(photo.attachment.name for photo in photos)
    source = Source(kind="photo", name=names, blob=first.blob, call_id=first.call_id)
    return maker.fact(name, value, source, Trust.RULE, 1.0)
