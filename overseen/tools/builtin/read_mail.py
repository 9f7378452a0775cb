"""Mails: who wrote what when, and what was attached. Standard library only."""

import re
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from typing import Any

from overseen.domain.clean_text import clean_line
from overseen.domain.content_kinds import ENDINGS
from overseen.domain.intake import MOST_FILES, AcceptedFile, accept_attachment, clean_name
from overseen.errors import InvalidInput
from overseen.tools.builtin.html_text import html_text
from overseen.tools.builtin.page_text import Removed
from overseen.tools.builtin.read_text import check_length
from overseen.tools.sandbox.context import ToolContext

LONGEST_HIDDEN = 2_000
_LINK = re.compile(r"\S*://\S+|www\.\S+|\S+@\S+")
_NUMBER = re.compile(r"\d[\d.,]*\d")
_WORD = re.compile(r"[^\W\d_]{3,}")
_LEAST_WORDS = 20
_SHOWN_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def read_mail(content: bytes, context: ToolContext) -> dict[str, Any]:
    """Headers and body as text; attachments as output files under names of ours, each accepted or its problem said."""
    # Some programs put "From sender date" of the mbox format before the first header.
    mail: EmailMessage = message_from_bytes(content.lstrip(), policy=policy.default)  # type: ignore[assignment]
    removed = Removed()
    headers = {name: _header(mail, name) for name in _SHOWN_HEADERS}
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    body, hidden = _body(mail)
    text = removed.clean("\n".join(lines) + "\n\n" + body.strip() + "\n")
    check_length(len(text))
    attachments, problems = _attachments(mail, context)
    metadata = {name.lower(): value for name, value in headers.items() if value}
    return {
        "kind": "mail",
        "text": text,
        "pages": [],
        "attachments": attachments,
        "problems": problems,
        "hidden": [
            {"kind": kind, "page": None, "text": removed.clean(words)[:LONGEST_HIDDEN]} for kind, words in hidden
        ],
        "metadata": {**metadata, "message_id": _header(mail, "Message-ID")},
        "removed": removed.as_dict(),
    }


def _header(mail: EmailMessage, name: str) -> str:
    try:
        return clean_line(str(mail.get(name, "")))
    except (MessageError, ValueError, LookupError, IndexError, AttributeError):
        # The standard library's parsers of some headers trip over malformed ones; the mail can be read without it.
        return ""


def _body(mail: EmailMessage) -> tuple[str, list[tuple[str, str]]]:
    """What a mail program shows of the body, and (kind, words) of what it does not show.

    Where a body is written twice, programs show the part in HTML; what the other one says beyond it is not seen.
    """
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    written = _content(plain).strip() if plain is not None else ""
    if html is None:
        return written, []
    shown = html_text(_content(html))
    if not shown.text:
        return written, list(shown.hidden)
    hidden = list(shown.hidden)
    if other := _said_only_in(written, shown.text):
        hidden.append(("in the other part of the mail", other))
    return shown.text, hidden


def _said_only_in(written: str, shown: str) -> str:
    """The lines of the part that is not shown which name numbers, or mostly words, that the shown part does not."""
    plain = _LINK.sub("", written)
    known, numbers = set(_WORD.findall(shown.lower())), set(_NUMBER.findall(shown))
    words = _WORD.findall(plain.lower())
    strange = [word for word in words if word not in known]
    if len(words) >= _LEAST_WORDS and len(strange) > len(words) / 2:
        return plain.strip()
    return "\n".join(line.strip() for line in plain.splitlines() if set(_NUMBER.findall(line)) - numbers)


def _content(part: MIMEPart) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return str(part.get_payload())
    try:
        return payload.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):
        return payload.decode("cp1252", errors="replace")


def _attachments(mail: EmailMessage, context: ToolContext) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    attached: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []
    for part in _attached_parts(mail):
        if len(attached) == MOST_FILES:
            problems.append(
                {"code": "too_many_attachments", "message": f"Only the first {MOST_FILES} attachments were looked at."}
            )
            break
        name = clean_name(part.get_filename() or f"part {len(attached) + len(problems) + 1}")
        try:
            accepted = accept_attachment(name, _bytes_of(part))
        except InvalidInput as error:
            problems.append({"code": "attachment_refused", "message": f"{error.message} {error.next_step}".strip()})
            continue
        attached.append(_kept(accepted, len(attached) + 1, context))
    return attached, problems


def _attached_parts(mail: EmailMessage) -> list[EmailMessage]:
    bodies = {id(mail.get_body((kind,))) for kind in ("plain", "html")}
    found: list[EmailMessage] = []
    pending: list[EmailMessage] = [mail]
    while pending:
        part = pending.pop(0)
        if part.get_content_type() == "message/rfc822":
            found.append(part)
        elif part.is_multipart():
            pending[:0] = [inner for inner in part.iter_parts() if isinstance(inner, EmailMessage)]
        elif id(part) not in bodies and (part.get_filename() or part.get_content_maintype() != "text"):
            found.append(part)
    return found


def _bytes_of(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return b"".join(inner.as_bytes() for inner in part.iter_parts() if isinstance(inner, EmailMessage))
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _kept(accepted: AcceptedFile, number: int, context: ToolContext) -> dict[str, Any]:
    file = f"attachment-{number}.{ENDINGS[accepted.media_type]}"
    context.write_file(file, accepted.content)
    return {"name": accepted.name, "file": file, "media_type": accepted.media_type, "size": accepted.size}
