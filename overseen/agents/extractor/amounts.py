"""Sums of money in running text and in bills."""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import Candidate, span_of

_SIGNS = {"£": "GBP", "€": "EUR", "$": "USD", "zł": "PLN", "kr": "SEK", "chf": "CHF"}
_WORDS = {
    "pounds": "GBP", "pound": "GBP", "quid": "GBP", "euros": "EUR", "euro": "EUR", "dollars": "USD", "franken": "CHF",
    "gbp": "GBP", "eur": "EUR", "usd": "USD", "chf": "CHF", "pln": "PLN", "sek": "SEK", "nok": "NOK", "dkk": "DKK",
}  # fmt: skip
_CENTS = r"(?:[.,]\d{1,2}(?!\d))?"
_SPACED = rf"\d{{1,3}}(?:[ ,.'\u00a0]\d{{3}})+{_CENTS}|\d+{_CENTS}"
# In a bill a space parts columns: `1 165,00` is one piece at 165,00.
_TIGHT = rf"\d{{1,3}}(?:[,.']\d{{3}})+{_CENTS}|\d+{_CENTS}"
_CODES = "|".join([re.escape(sign) for sign in _SIGNS] + list(_WORDS))


def _with_currency(number: str) -> re.Pattern[str]:
    """A number with a sign or code of its currency before or behind it."""
    return re.compile(
        rf"(?:(?P<before>[£€$]|\b(?:gbp|eur|usd|chf|pln)\b)\s?(?P<one>{number})(?!\d)(?:\.-|,-)?"
        rf"|(?<![\d.,])(?P<two>{number})(?!\d)(?:,-|\.-)?\s?(?P<after>{_CODES})(?![a-zäöü])(?!\s?\d))",
        re.IGNORECASE,
    )


_IN_LETTERS = _with_currency(_SPACED)
_IN_BILLS = _with_currency(_TIGHT)
# A bill names its currency once; OCR may lose the pound sign or read it as a letter.
_BARE = re.compile(r"(?<![\w.,/-])[£ELf€]?\s?(?P<one>\d{1,3}(?:[,.]\d{3})*[.,]\d{2})(?![\d%]|[.,/-]\d|\s?%)")


def find_amounts(document: Document, currency: str, bare: bool) -> Iterator[Candidate]:
    """Every sum of money of the document in reading order.

    `bare` also takes numbers with two decimals that carry no sign: right for bills and recognised text, wrong for
    letters. `currency` (ISO 4217) is what such a number is in when the document names none.
    """
    taken: list[tuple[int, int]] = []
    found: list[Candidate] = []
    for match in (_IN_BILLS if bare else _IN_LETTERS).finditer(document.text):
        sign = (match["before"] or match["after"]).lower()
        number = match["one"] or match["two"]
        found.extend(_candidate(document, match, number, _SIGNS.get(sign) or _WORDS.get(sign)))
        taken.append(match.span())
    if bare:
        usual = document_currency(document) or currency
        for match in _BARE.finditer(document.text):
            if all(match.end() <= start or match.start() >= end for start, end in taken):
                found.extend(_candidate(document, match, match["one"], usual))
    yield from sorted(found, key=lambda item: item.span.start)


def document_currency(document: Document) -> str | None:
    """The currency the document speaks of most, ISO 4217; None when it names none."""
    counts: dict[str, int] = {}
    for match in _IN_LETTERS.finditer(document.text):
        sign = (match["before"] or match["after"]).lower()
        if code := _SIGNS.get(sign) or _WORDS.get(sign):
            counts[code] = counts.get(code, 0) + 1
    if not counts:
        for code in ("GBP", "EUR", "USD", "CHF", "PLN"):
            if re.search(rf"\b{code}\b", document.text):
                return code
    return max(counts, key=counts.__getitem__, default=None)


def parse_amount(number: str) -> Decimal | None:
    """A number as people write it (1,234.50; 1.234,50; 1 234,50), as an exact Decimal with two decimals."""
    plain = re.sub(r"[\s'\u00a0]", "", number)
    point, comma = plain.rfind("."), plain.rfind(",")
    if comma > point:
        tail = plain[comma + 1 :]
        plain = plain.replace(".", "").replace(",", ".") if len(tail) in (1, 2) else plain.replace(",", "")
    elif point > comma and len(plain[point + 1 :]) == 3 and plain.count(".") >= 1:
        plain = plain.replace(",", "").replace(".", "")
    else:
        plain = plain.replace(",", "")
    try:
        return Decimal(plain).quantize(Decimal("0.01"))
    except InvalidOperation:
        return None


def _candidate(document: Document, match: re.Match[str], number: str, currency: str | None) -> Iterator[Candidate]:
    amount = parse_amount(number)
    if amount is not None and amount > 0:
        yield Candidate(
            value=amount,
            document=document,
            span=span_of(document.text, match.start(), match.end()),
            currency=currency,
        )
