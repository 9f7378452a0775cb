"""What was handed in and not read, and what that means: it is said, and nothing in it counts as denied."""

from collections.abc import Sequence

from overseen.agents.documents import Document, Reading
from overseen.agents.extractor.parts import Unread
from overseen.agents.extractor.reading_plan import ReadingPlan, called_like_a_paper
from overseen.domain.findings import Finding, Verdict

LEAST_WORDS = 3
_MAX_NAMED = 50
_READABLE = "document_readable"


def unread_files(plan: ReadingPlan) -> tuple[Unread, ...]:
    """Files, or parts of them, in which a claimant may have told something that nobody saw."""
    found = [Unread(name=item.name, amount="the whole file") for item in plan.left_out]
    for reading in plan.readings:
        may_be_paper = not reading.attachment.is_photo or called_like_a_paper(reading.attachment)
        if may_be_paper and (reading.failed or reading.result is None or _wordless(reading)):
            found.append(Unread(name=reading.attachment.name, amount="the whole file"))
        found += [Unread(name=reading.attachment.name, amount=problem) for problem in reading.problems]
    return tuple(found)


def unread_findings(plan: ReadingPlan, unread: Sequence[Unread]) -> list[Finding]:
    """What could not be read, what was too much to read, and the parts of long texts that no model was shown."""
    found: list[Finding] = []
    for reading in plan.readings:
        subject = f"document:{reading.attachment.name}"
        if reading.failed and not reading.attachment.is_photo:
            found.append(_flag(_READABLE, subject, f"It could not be read: {reading.failed}"))
        elif _wordless(reading) and not reading.attachment.is_photo:
            found.append(_flag(_READABLE, subject, "No words could be read in it."))
        found += [_flag(_READABLE, subject, problem) for problem in reading.problems]
    if plan.left_out:
        message = f"{len(plan.left_out)} files were not read because there are too many."
        names = [item.name for item in plan.left_out[:_MAX_NAMED]]
        found.append(_flag("documents_read", "attachments", message, names=names))
    for item in unread:
        message = f"Not everything in it was read. Left out: {item.amount}."
        found.append(_flag("text_read", f"document:{item.name}", message, amount=item.amount))
    return found


def hidden_findings(readings: Sequence[Reading]) -> list[Finding]:
    """Text that nobody sees who opens the file: it was not read for facts, and a person is told of it."""
    found: list[Finding] = []
    for reading in readings:
        if hidden := reading.hidden:
            kinds = list(dict.fromkeys(item.kind for item in hidden))
            words = [{"kind": item.kind, "page": item.page, "text": item.text[:500]} for item in hidden[:20]]
            message = f"It holds text that cannot be seen ({', '.join(kinds)}); no fact was read from it."
            found.append(_flag("hidden_text", f"document:{reading.attachment.name}", message, hidden=words))
    return found


def _wordless(reading: Reading) -> bool:
    document: Document | None = reading.document()
    return document is not None and len(document.text.split()) < LEAST_WORDS


def _flag(check: str, subject: str, message: str, **evidence: object) -> Finding:
    return Finding(check=check, verdict=Verdict.FLAG, subject=subject, message=message, evidence=evidence)
