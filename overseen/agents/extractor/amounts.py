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
_SPACED = rf"\d{{1,3}}(?:[ ,.'’\u00a0\u202f]\d{{3}}(?!\d))+{_CENTS}|\d+{_CENTS}|0[.,]\d{{3,4}}"
# In a bill a space parts columns: `1 165,00` is one piece at 165,00.
_TIGHT = rf"\d{{1,3}}(?:[,.'’]\d{{3}}(?!\d))+{_CENTS}|\d+{_CENTS}|0[.,]\d{{3,4}}"
_GOES_ON = r"(?![.,'’]?\d)"
_CODES = "|".join([re.escape(sign) for sign in _SIGNS] + list(_WORDS))


def _with_currency(number: str) -> re.Pattern[str]:
    """A number with a sign or code of its currency before or behind it."""
    return re.compile(
        rf"(?:(?P<before>[£€$]|\b(?:gbp|eur|usd|chf|pln)\b)\s?(?P<one>{number}){_GOES_ON}(?:\.-|,-)?(?P<thousands>k\b)?"
        rf"|(?<![\d.,'’])(?P<two>{number}){_GOES_ON}(?:,-|\.-)?\s?(?P<after>{_CODES})(?![a-zäöü])(?!\s?\d))",
        re.IGNORECASE,
    )


_IN_LETTERS = _with_currency(_SPACED)
_IN_BILLS = _with_currency(_TIGHT)
# A bill names its currency once; OCR may lose the pound sign or read it as a letter.
_BARE = re.compile(r"(?<![\w.,/-])[£ELf€]?\s?(?P<one>\d{1,3}(?:[,.]\d{3})*[.,]\d{2})(?![\d%]|[.,/-]\d|\s?%)")

_TWO_READINGS = 0.8
"""Certainty of a number that can be read in two ways: below every sensible threshold."""
_FRACTION = re.compile(r"0[.,]\d{3,4}")
_ONE_MARK = re.compile(r"\d{1,3}(?P<mark>[.,])\d{3}")
_POINT_CENTS = re.compile(r"\d\.\d{2}(?![\d.])")
_COMMA_CENTS = re.compile(r"\d,\d{2}(?![\d,])")
_POINT_CURRENCIES = frozenset({"GBP", "USD"})
_MINUS = re.compile(r"(?<![\w.,])[-−–]$|[£€$]\s?[-−–]\s?$")
_MINUS_AT_LINE_START = re.compile(r"(?:^|\n)[ \t]*[-−–][ \t]+$")
_MINUS_AFTER = re.compile(r"[-−](?=\s|$)|\s?(?:CR|Cr)\b")
_LOOSE_DASH = re.compile(r"\w[ \t]+[-−–][ \t]+$")
_DIGITS_BEFORE = re.compile(r"(?<![\d.,])\d{1,3}[ \u00a0\u202f]$")
_LOOK_BACK = 60
_LESS = re.compile(
    r"\b(?:rebate|credit|refund|discount|deduct\w*|less|minus|rabatt|nachlass|gutschrift|remise|avoir|descuento|abono|sconto"
    r"|korting|rabat)\W*(?:\w+\W+){0,2}\($",
    re.IGNORECASE,
)
_RUNNING = re.compile(r"(?:[^\W\d_]+[ ,]+){3,}\($")


def find_amounts(document: Document, currency: str, bare: bool) -> Iterator[Candidate]:
    """Every sum of money of the document in reading order; what is taken off (a minus, brackets) is none.

    `bare` also takes numbers with two decimals that carry no sign: right for bills and recognised text, wrong for
    letters. `currency` (ISO 4217) is the usual one: it says how its country writes a number that can be read two ways;
    such a number is less certain.
    """
    taken: list[tuple[int, int]] = []
    found: list[Candidate] = []
    mark = _decimal_mark(document.text, currency)
    for match in (_IN_BILLS if bare else _IN_LETTERS).finditer(document.text):
        sign = (match["before"] or match["after"]).lower()
        number = match["one"] or match["two"]
        code = _SIGNS.get(sign) or _WORDS.get(sign)
        found.extend(_candidate(document, match, number, code, mark, bill=bare))
        taken.append(match.span())
    if bare:
        usual = document_currency(document)
        for match in _BARE.finditer(document.text):
            if all(match.end() <= start or match.start() >= end for start, end in taken):
                found.extend(_candidate(document, match, match["one"], usual, mark, bill=True))
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
    plain = re.sub(r"[\s'’\u00a0\u202f]", "", number)
    if _FRACTION.fullmatch(plain):
        return Decimal(plain.replace(",", "."))
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


def _decimal_mark(text: str, currency: str) -> str | None:
    """What parts the cents in this text: by its other numbers, else as the currency's country writes; None: unknown."""
    points, commas = len(_POINT_CENTS.findall(text)), len(_COMMA_CENTS.findall(text))
    if bool(points) != bool(commas):
        return "." if points else ","
    return "." if not points and currency in _POINT_CURRENCIES else None


def _certainty(number: str, mark: str | None) -> float:
    """1.0 for a number that can be read in one way; less where a mark before three digits has two meanings."""
    plain = re.sub(r"[\s'’\u00a0\u202f]", "", number)
    if _FRACTION.fullmatch(plain):
        return _TWO_READINGS
    single = _ONE_MARK.fullmatch(plain)
    if single is None:
        return 1.0
    return 1.0 if mark is not None and single["mark"] != mark else _TWO_READINGS


def _candidate(
    document: Document, match: re.Match[str], number: str, currency: str | None, mark: str | None, *, bill: bool
) -> Iterator[Candidate]:
    amount = parse_amount(number)
    if amount is None or amount <= 0 or _taken_off(document.text, match, bill=bill):
        return
    certainty = _certainty(number, mark)
    if match.groupdict().get("thousands"):
        amount, certainty = amount * 1000, _TWO_READINGS
    if bill and (_LOOSE_DASH.search(document.text[: match.start()]) or _split(document.text, match, number)):
        certainty = _TWO_READINGS
    yield Candidate(
        value=amount,
        document=document,
        span=span_of(document.text, match.start(), match.end()),
        certainty=certainty,
        currency=currency,
    )


def _taken_off(text: str, match: re.Match[str], *, bill: bool) -> bool:
    """Whether a sum is one that is subtracted: -120.00, (120.00), 120.00-, 120.00 CR."""
    before, after = text[max(0, match.start() - _LOOK_BACK) : match.start()], text[match.end() : match.end() + 4]
    if _MINUS.search(before) or _MINUS_AFTER.match(after) or (bill and _MINUS_AT_LINE_START.search(before)):
        return True
    if not before.endswith("(") or not after.startswith(")"):
        return False
    # In running text brackets set a sum apart; in a bill, or behind a word like rebate, they take it off.
    return bill or bool(_LESS.search(before)) or not _RUNNING.search(before)


def _split(text: str, match: re.Match[str], number: str) -> bool:
    """Whether `1 250,00` may be one number or two columns."""
    whole = re.match(r"\d+", number)
    return bool(whole and len(whole.group()) == 3 and _DIGITS_BEFORE.search(text[: match.start()]))
