"""What a sample case is made of: each kind of file knows its bytes; a case knows its files and its truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Protocol

from evals.claims_intake import camera, papers
from evals.claims_intake.canvas import Pixels

CLAIMS_ADDRESS = "claims@harbourmutual.example.com"
_MEDIA_TYPES = {
    ".pdf": ("application", "pdf"),
    ".jpg": ("image", "jpeg"),
    ".png": ("image", "png"),
    ".txt": ("text", "plain"),
}


class Item(Protocol):
    """A file of a case."""

    name: str

    def content(self) -> bytes:
        """The bytes of the file, the same every time."""
        ...


@dataclass(frozen=True, kw_only=True)
class Text:
    """A plain UTF-8 text file."""

    name: str
    body: str

    def content(self) -> bytes:
        """The text with one newline at its end."""
        return (self.body.strip() + "\n").encode()


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A typed letter as PDF with a text layer."""

    name: str
    body: str
    author: str

    def content(self) -> bytes:
        """The PDF."""
        return papers.letter_pdf(self.body.strip(), self.author)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A letter as PDF that holds only a picture of it."""

    name: str
    body: str
    seed: int

    def content(self) -> bytes:
        """The PDF."""
        return papers.scanned_pdf(self.body.strip(), self.seed)


@dataclass(frozen=True, kw_only=True)
class Paper:
    """An estimate or invoice (.pdf), or a photographed till receipt (.png)."""

    name: str
    bill: papers.Bill

    def content(self) -> bytes:
        """The PDF, or the PNG with chance taken from the file's name."""
        if self.name.endswith(".png"):
            return papers.till_receipt(self.bill, len(self.name) * 31)
        return papers.bill_pdf(self.bill)


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo of a painted scene. `keep` below 1 cuts the file off after that share of its bytes."""

    name: str
    paint: Callable[[int], Pixels]
    seed: int
    shot: camera.Shot
    keep: float = 1.0

    def content(self) -> bytes:
        """JPEG with EXIF, or PNG without."""
        picture = camera.develop(self.paint(self.seed), self.shot, self.seed)
        if self.name.endswith(".png"):
            return camera.save_png(picture)
        whole = camera.save_jpeg(picture, self.shot)
        return whole[: int(len(whole) * self.keep)]


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail with its attachments inside (MIME). `sent` is the Date header, RFC 5322."""

    name: str
    sender: str
    subject: str
    sent: str
    body: str
    items: tuple[Item, ...] = ()

    def content(self) -> bytes:
        """The .eml file; the boundary is fixed so that the bytes are the same every time."""
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"], mail["Date"] = self.sender, CLAIMS_ADDRESS, self.subject, self.sent
        mail["Message-ID"] = f"<{self.name.removesuffix('.eml')}.{len(self.body)}@mail.example.com>"
        mail.set_content(self.body.strip() + "\n", cte="quoted-printable")
        for item in self.items:
            major, minor = _MEDIA_TYPES[item.name[item.name.rindex(".") :]]
            mail.add_attachment(item.content(), maintype=major, subtype=minor, filename=item.name)
        if self.items:
            mail.set_boundary("=_part_harbour_7f3a")
        return mail.as_bytes()


HANDED_IN = "2026-11-20"
"""The day on which all cases take place: after the last letter, so that they stay true whenever they are run."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A sample case: what is handed in and what is true about it. `facts` as in playbook.yaml; free"
    " text is left out."""

    case_id: str
    title: str
    message: str
    items: tuple[Item, ...]
    outcome: str
    amount: str | None
    boundary: str
    facts: Mapping[str, Any]
    findings: tuple[str, ...] = ()
    absent_texts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    note: str

    def as_yaml(self) -> dict[str, Any]:
        """The content of case.yaml."""
        alone = "settled" if self.outcome == "settle" else "waiting_requester"
        return {
            "id": self.case_id,
            "title": self.title,
            "playbook": "claims_intake",
            "handed_in": HANDED_IN,
            "message": self.message,
            "attachments": [item.name for item in self.items],
            "expected": {
                "outcome": self.outcome,
                "amount": self.amount,
                "boundary": self.boundary,
                "run_state": alone if self.boundary == "automate" else "waiting_review",
                "facts": dict(self.facts),
                "findings": list(self.findings),
                "absent_texts": list(self.absent_texts),
            },
            "tags": list(self.tags),
            "note": self.note,
        }


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The facts of a case. `record` holds what the policy lookup finds; the rest is read from papers and photos."""

    said: Mapping[str, Any]
    record: Mapping[str, Any]
    photos: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def facts(self) -> dict[str, Any]:
        """All facts, with the usual values where a case says nothing else."""
        said = {
            "currency": "GBP",
            "injury_reported": False,
            "claims_count": 1,
            "language": "en",
            "supporting_document": True,
            "payee_account": None,
        }
        photos = {"photos_count": 0, "photos_usable": 0, "photo_duplicate": False, "photo_before_incident": False}
        return {**said, **self.said, **photos, **self.photos, **self.record}


NO_POLICY: Mapping[str, Any] = {
    "policy_found": False,
    "policy_status": "unknown",
    "policy_kind": None,
    "policy_holder": None,
    "policy_covers_date": None,
    "excess": None,
    "cover_limit": None,
    "policy_currency": None,
    "clause": None,
    "covered": None,
    "prior_claims": 0,
}
"""What the policy lookup says when no policy has that number."""
