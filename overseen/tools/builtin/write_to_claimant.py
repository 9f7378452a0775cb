"""The tool `write_to_claimant`, as it runs inside the sandbox."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from overseen.tools.builtin.references import reference
from overseen.tools.sandbox.context import ToolContext, ToolError

_INSERT = """
INSERT INTO outbox (letter_id, to_address, subject, body, idempotency_key)
VALUES (%(letter_id)s, %(to_address)s, %(subject)s, %(body)s, %(idempotency_key)s)
ON CONFLICT DO NOTHING
RETURNING letter_id, sent_at
"""
_FIND = "SELECT letter_id, sent_at FROM outbox WHERE idempotency_key = %s"
_FILE = "letter.eml"
_SENDER = "Harbour Mutual Claims <claims@harbourmutual.example>"


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Put the letter into the outbox, or find it put there by an earlier try of the same call."""
    key = arguments["idempotency_key"]
    database = context.database("insurer_claims_write")
    letter = {name: arguments[name] for name in ("to_address", "subject", "body")}
    rows = database.query(_INSERT, {**letter, "letter_id": reference("LTR", key), "idempotency_key": key})
    already_there = not rows
    if already_there:
        rows = database.query(_FIND, [key])
        if not rows:
            raise ToolError("letter_exists", "There is a letter of the same number with another key.")
    sent = rows[0]
    context.write_file(_FILE, _as_mail(letter, sent["letter_id"], datetime.fromisoformat(sent["sent_at"])))
    return {**sent, "file": _FILE, "already_there": already_there}


def _as_mail(letter: dict[str, str], letter_id: str, sent_at: datetime) -> bytes:
    mail = EmailMessage()
    mail["From"] = _SENDER
    mail["To"] = letter["to_address"]
    mail["Subject"] = letter["subject"]
    mail["Date"] = format_datetime(sent_at)
    mail["Message-ID"] = f"<{letter_id}@harbourmutual.example>"
    mail.set_content(letter["body"])
    return mail.as_bytes()
