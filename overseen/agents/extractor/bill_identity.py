"""Which bill it is: its number and who made it out. Found by patterns alone, so nothing is decided by it alone."""

import re
from collections.abc import Iterator

from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import span_of
from overseen.domain.facts import Span

_KIND = (
    r"(?:invoice|receipt|estimate|quotation|quote|bill|order|ticket|rechnung|beleg|quittung|kostenvoranschlag|angebot"
    r"|facture|devis|re[çc]u|factura|recibo|presupuesto|fattura|ricevuta|preventivo|faktura|paragon|kosztorys|factuur"
    r"|offerte|bon)"
)
_SIGN = r"(?:no|nr|num|number|nummer|num[ée]ro|n[uú]mero|ref|reference|id)\b\.?|n[°º]|[#№]"
_NUMBER = r"(?P<number>(?:(?-i:[A-Z]{1,6})[ -]?)?\d[\w/.\-]{0,23})"
_NAMED = re.compile(rf"\b{_KIND}\b[ \t:.\-]{{0,3}}(?P<sign>{_SIGN})?[ \t:.]{{0,3}}{_NUMBER}", re.IGNORECASE)
_ALONE = re.compile(rf"^[ \t]*(?P<sign>{_SIGN})[ \t:.]{{0,3}}{_NUMBER}", re.IGNORECASE | re.MULTILINE)
_NO_NUMBER = re.compile(r"\d{1,4}[/.\-]\d{1,2}[/.\-]\d{1,4}|\d{1,3}(?:[.,]\d{3})*[.,]\d{2}", re.ASCII)
_COUNT = re.compile(r"\d{1,2}", re.ASCII)
_COMPANY = re.compile(
    r"\b(?:ltd|limited|plc|llp|llc|inc|gmbh|ag|kg|ohg|sarl|sas|s\.?a\.?|s\.?l\.?|s\.?r\.?l\.?|s\.?p\.?a\.?|b\.?v\.?"
    r"|sp\. z o\.?o\.?)(?![\w])",
    re.IGNORECASE,
)
_HEADING = re.compile(rf"^\W*(?:{_KIND}|copy|original|page|date|tax|vat|tel|phone|www|http)\b", re.IGNORECASE)
_TAIL = re.compile(rf"\s+{_KIND}\W*$", re.IGNORECASE)
_FIRST_LINES = 8
_LONGEST_NAME = 80
_SHORTEST_NAME = 3


def find_bill_number(document: Document) -> tuple[str, Span] | None:
    """The bill's own number in upper case without white space, and where it stands; None where none is named."""
    for match in _numbers(document.text):
        start, end = match.start("number"), match.end("number")
        while end > start and document.text[end - 1] in "./-_":
            end -= 1
        written = document.text[start:end]
        counts = match["sign"] is None and _COUNT.fullmatch(written)
        if not counts and not _NO_NUMBER.fullmatch(written):
            return "".join(written.upper().split()), span_of(document.text, start, end)
    return None


def find_issuer(document: Document) -> tuple[str, Span] | None:
    """Who made the bill out, as its head names it: the line with a company's form, else the first line of words."""
    lines: list[tuple[str, Span]] = []
    place = 0
    for full_line in document.text.split("\n"):
        line = _TAIL.sub("", full_line)
        words = " ".join(line.split())
        letters = sum(character.isalpha() for character in words)
        if letters >= _SHORTEST_NAME and len(words) <= _LONGEST_NAME and not _HEADING.match(words):
            lines.append((words, span_of(document.text, place, place + len(line))))
        place += len(full_line) + 1
        if len(lines) == _FIRST_LINES:
            break
    return next((line for line in lines if _COMPANY.search(line[0])), lines[0] if lines else None)


def _numbers(text: str) -> Iterator[re.Match[str]]:
    """What is called the number of the bill first, then numbers that merely head a line."""
    yield from _NAMED.finditer(text)
    yield from _ALONE.finditer(text)
