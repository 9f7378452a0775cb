"""Dates in running text: written out, in digits, or told from the day of writing ("yesterday", "on Saturday")."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from email.utils import parsedate_to_datetime

from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import Candidate, span_of
from overseen.agents.extractor.cues import looks_alone
from overseen.domain.facts import Span

_MONTHS = {
    1: "january januar jänner janvier enero gennaio januari stycznia styczeń janeiro jan janv ene gen",
    2: "february februar février febrero febbraio februari lutego luty fevereiro feb févr",
    3: "march märz maerz mars marzo maart marca marzec março mar mär mrz",
    4: "april avril abril aprile kwietnia kwiecień apr avr abr",
    5: "may mai mayo maggio mei maja maj maio mag",
    6: "june juni juin junio giugno czerwca czerwiec junho jun giu",
    7: "july juli juillet julio luglio lipca lipiec julho jul juil lug",
    8: "august août agosto augustus sierpnia sierpień aug ago",
    9: "september septembre septiembre settembre września wrzesień setembro sep sept set",
    10: "october oktober octobre octubre ottobre października październik outubro oct okt ott",
    11: "november novembre noviembre listopada listopad novembro nov",
    12: "december dezember décembre diciembre dicembre grudnia grudzień dezembro dec dez déc dic",
}
_MONTH_NUMBER = {name: number for number, names in _MONTHS.items() for name in names.split()}
_WEEKDAYS = {
    0: "monday montag lundi lunes lunedì maandag poniedziałek",
    1: "tuesday dienstag mardi martes martedì dinsdag wtorek",
    2: "wednesday mittwoch mercredi miércoles mercoledì woensdag środę środa",
    3: "thursday donnerstag jeudi jueves giovedì donderdag czwartek",
    4: "friday freitag vendredi viernes venerdì vrijdag piątek",
    5: "saturday samstag sonnabend samedi sábado sabato zaterdag sobotę sobota",
    6: "sunday sonntag dimanche domingo domenica zondag niedzielę niedziela",
}
_WEEKDAY_NUMBER = {name: number for number, names in _WEEKDAYS.items() for name in names.split()}
_DAYS_BACK = {
    "the day before yesterday": 2, "vorgestern": 2, "avant-hier": 2, "przedwczoraj": 2, "anteayer": 2,
    "yesterday": 1, "last night": 1, "gestern": 1, "hier": 1, "ayer": 1, "ieri": 1, "gisteren": 1, "wczoraj": 1,
    "today": 0, "this morning": 0, "this afternoon": 0, "tonight": 0, "heute": 0, "aujourd'hui": 0, "oggi": 0,
}  # fmt: skip

_MONTH = "(?P<month>" + "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True)) + r")\b\.?"
_YEAR = r"(?:[\s,]{1,3}(?:de\s+|del\s+)?(?P<year>(?:19|20)\d{2})\b)?"
_DAY_MONTH = re.compile(
    rf"\b(?P<day>\d{{1,2}})\s?(?:st|nd|rd|th|\.|er|º)?\s?(?:of\s+|de\s+)?{_MONTH}{_YEAR}", re.IGNORECASE
)
_MONTH_DAY = re.compile(
    rf"\b{_MONTH}\s(?:the\s)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\s?[:.]\d){_YEAR}", re.IGNORECASE
)
_ISO = re.compile(r"(?<![\d-])(?P<year>(?:19|20)\d{2})-(?P<month>\d{2})-(?P<day>\d{2})(?![\d-])")
_DIGITS = re.compile(
    r"(?<![\d/.,-])(?P<one>\d{1,2})(?P<mark>[/.-])(?P<two>\d{1,2})(?P=mark)(?P<year>(?:19|20)?\d{2})(?![\d/-])(?!\.\d)"
)
_SHORT = re.compile(r"(?<![\d/.,-])(?P<day>\d{1,2})/(?P<month>\d{1,2})(?![\d/.,])")
_RELATIVE = re.compile(r"\b(?:" + "|".join(sorted(_DAYS_BACK, key=len, reverse=True)) + r")\b", re.IGNORECASE)
_WEEKDAY = re.compile(
    r"\b(?:last|this|on|am|letzten|el|le|w|we|op)\s+(?P<weekday>"
    + "|".join(_WEEKDAY_NUMBER)
    + r")\b(?!,?\s+(?:the\s+|den\s+|dem\s+|le\s+)?\d)",  # a written-out date follows and says it better
    re.IGNORECASE,
)
_LOOK_BACK = 90
_SOMETHING_ELSE = re.compile(
    r"\b(?:bought|purchased|repaired|mended|fitted|replaced|ordered|dated|estimate|invoice|quotation|receipt|renewed|since|insured"
    r"|gekauft|repariert|comprad\w+|reparad\w+)\b",
    re.IGNORECASE,
)
_DATE_LABEL = re.compile(r"\b(?:date[d]?|datum|fecha|data|issued|invoice date|rechnungsdatum|vom|le)\b", re.IGNORECASE)
_LATER = re.compile(
    r"\b(?:valid|until|due|expir\w+|before|payable|by|gültig|bis|fällig|zahlbar|valable|jusqu\w*|échéance|válid\w*|hasta|vence"
    r"|vencimiento|valid[ao]|entro|scadenza|ważn\w*|do|geldig|tot|vervaldatum)\b",
    re.IGNORECASE,
)
_AHEAD = timedelta(days=45)
_TWO_READINGS = 0.8
_MONTHS_OF_A_YEAR = 12
_NEAR, _FAR = timedelta(days=31), timedelta(days=60)
_WEEKDAY_LENGTH = 20
_WEEKDAY_BEFORE = re.compile(
    r"\b(?P<weekday>" + "|".join(_WEEKDAY_NUMBER) + r")[,.]?\s+(?:the\s+|den\s+|dem\s+|el\s+)?$", re.IGNORECASE
)
_UNSURE_YEAR = 0.97
_UNSURE_DAY = 0.9
_HEADER_LENGTH = 2000
_HEADER_DATE = re.compile(r"^Date:\s*(?P<date>.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _Found:
    start: int
    end: int
    day: date
    certainty: float
    otherwise: tuple[date, ...] = ()


def find_dates(document: Document, written_on: date | None, day_first: bool) -> Iterator[Candidate]:
    """Every date of the document in reading order.

    `written_on` is the day the text was written: it lends its year to dates without one and anchors "yesterday";
    without it such dates are left out rather than guessed. The day of writing may itself be a guess (the latest day the
    text names), so a day without a year may lie a few weeks behind it. `day_first` decides
    03/10/2026 (slashes and hyphens only).
    """
    header = _HEADER_DATE.search(document.text[:_HEADER_LENGTH]) if document.metadata.get("date") else None
    for found in _without_overlaps(_all(document.text, written_on, day_first)):
        if header and header.start() <= found.start < header.end():
            continue  # when the mail was sent is known and is not what anybody tells
        yield Candidate(
            value=found.day.isoformat(),
            document=document,
            span=span_of(document.text, found.start, found.end),
            certainty=found.certainty,
            otherwise=found.otherwise[0].isoformat() if found.otherwise else None,
        )


def written_on(document: Document, day_first: bool) -> date | None:
    """When the document was written: a mail's Date header, else the latest full date in it."""
    if header := _header_day(document):
        return header
    full = [found.day for found in _all(document.text, None, day_first)]
    return max(full, default=None)


def dated(document: Document, day_first: bool, *, bill: bool) -> Sequence[date]:
    """The day a paper is dated, with both readings where its digits allow two; empty where it names none.

    A mail has it in its header, a letter on a line of its own, a bill beside a word like date, or first of all. Days
    until which an offer holds, or on which a bill falls due, date nothing.
    """
    if header := _header_day(document):
        return (header,)
    found = [item for item in _all(document.text, None, day_first) if not _ahead(document.text, item)]
    found.sort(key=lambda item: item.start)
    if bill:
        labelled = [item for item in found if _DATE_LABEL.search(_line_before(document.text, item))]
        found = labelled or found
    else:
        found = [item for item in found if looks_alone(document, _span(document, item))]
    return (found[0].day, *found[0].otherwise) if found else ()


def _header_day(document: Document) -> date | None:
    header = str(document.metadata.get("date") or "")
    if not header and (match := _HEADER_DATE.search(document.text[:_HEADER_LENGTH])):
        header = match.group("date")
    try:
        return parsedate_to_datetime(header.strip()).date() if header else None
    except ValueError:
        return None  # not RFC 5322: the text itself may still say


def _ahead(text: str, item: _Found) -> bool:
    return bool(_LATER.search(_line_before(text, item)))


def _line_before(text: str, item: _Found) -> str:
    return text[text.rfind("\n", 0, item.start) + 1 : item.start]


def _span(document: Document, item: _Found) -> Span:
    return span_of(document.text, item.start, item.end)


def writing_days(letters: Sequence[Document], documents: Sequence[Document], day_first: bool) -> dict[str, date | None]:
    """When each letter was written; what does not say it borrows the latest day of everything handed in."""
    own = {document.name: written_on(document, day_first) for document in documents}
    latest = max((day for day in own.values() if day is not None), default=None)
    return {letter.name: own[letter.name] or latest for letter in letters}


def _all(text: str, anchor: date | None, day_first: bool) -> Iterator[_Found]:
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        for match in pattern.finditer(text):
            month = _MONTH_NUMBER[match["month"].lower()]
            yield from _dated(match, match["year"], month, int(match["day"]), anchor)
    for match in _ISO.finditer(text):
        yield from _dated(match, match["year"], int(match["month"]), int(match["day"]), anchor)
    order = _Order(text)
    for match in _DIGITS.finditer(text):
        if match["mark"] == "-" and len(match["year"]) == 2:
            continue  # 20-10-26 is how sort codes are written
        one, two = int(match["one"]), int(match["two"])
        swapped = two > 12 or (not day_first and match["mark"] != "." and one <= 12)
        yield from order.settle(
            _dated(match, match["year"], one if swapped else two, two if swapped else one, anchor),
            _dated(match, match["year"], two if swapped else one, one if swapped else two, anchor),
        )
    if anchor is None:
        return
    for match in _SHORT.finditer(text):
        one, two = int(match["day"]), int(match["month"])
        yield from order.settle(_dated(match, None, two, one, anchor), _dated(match, None, one, two, anchor))
    for match in _RELATIVE.finditer(text):
        day = anchor - timedelta(days=_DAYS_BACK[match.group().lower()])
        yield _Found(start=match.start(), end=match.end(), day=day, certainty=_UNSURE_DAY)
    for match in _WEEKDAY.finditer(text):
        back = (anchor.weekday() - _WEEKDAY_NUMBER[match["weekday"].lower()]) % 7 or 7
        yield _Found(start=match.start(), end=match.end(), day=anchor - timedelta(days=back), certainty=_UNSURE_DAY)


class _Order:
    """What a text itself says about days in digits that can be read in two ways, 03/10/2026."""

    def __init__(self, text: str) -> None:
        self._text = text
        pairs = [(int(match["one"]), int(match["two"])) for match in _DIGITS.finditer(text) if match["mark"] != "."]
        self._day_first = any(one > _MONTHS_OF_A_YEAR >= two for one, two in pairs)
        self._month_first = any(two > _MONTHS_OF_A_YEAR >= one for one, two in pairs)
        self._sure = [found.day for pattern in (_DAY_MONTH, _MONTH_DAY) for found in self._written_out(pattern)]
        self._sure += [date(*parts) for match in _ISO.finditer(text) if (parts := _valid(match))]

    def settle(self, usual: Iterator[_Found], other: Iterator[_Found]) -> Iterator[_Found]:
        """The reading that other dates, a weekday or the days around it settle; else the usual one, less certain."""
        first, second = next(usual, None), next(other, None)
        if first is None or second is None or first.day == second.day or self._mark(first) == ".":
            if first is not None:
                yield first
            return
        said = self._settled(first, second)
        yield said or replace(first, certainty=_TWO_READINGS, otherwise=(second.day,))

    def _settled(self, first: _Found, second: _Found) -> _Found | None:
        readings = (first, second)
        by_day = next((item for item in readings if self._begins_with_day(item)), first)
        by_month = second if by_day is first else first
        if self._day_first != self._month_first:
            return by_day if self._day_first else by_month
        if weekday := _WEEKDAY_BEFORE.search(self._text[max(0, first.start - _WEEKDAY_LENGTH) : first.start]):
            number = _WEEKDAY_NUMBER[weekday["weekday"].lower()]
            fitting = [item for item in readings if item.day.weekday() == number]
            return fitting[0] if len(fitting) == 1 else None
        near = [item for item in readings if any(abs(item.day - day) <= _NEAR for day in self._sure)]
        far = [item for item in readings if all(abs(item.day - day) > _FAR for day in self._sure)]
        return near[0] if len(near) == len(far) == 1 else None

    def _begins_with_day(self, item: _Found) -> bool:
        digits = re.match(r"\d{1,2}", self._text[item.start :])
        return digits is not None and int(digits.group()) == item.day.day

    def _mark(self, item: _Found) -> str:
        return "." if "." in self._text[item.start : item.end] else "/"

    def _written_out(self, pattern: re.Pattern[str]) -> Iterator[_Found]:
        for match in pattern.finditer(self._text):
            yield from _dated(match, match["year"], _MONTH_NUMBER[match["month"].lower()], int(match["day"]), None)


def _valid(match: re.Match[str]) -> tuple[int, int, int] | None:
    parts = int(match["year"]), int(match["month"]), int(match["day"])
    try:
        date(*parts)
    except ValueError:
        return None
    return parts


def _dated(match: re.Match[str], year: str | None, month: int, day: int, anchor: date | None) -> Iterator[_Found]:
    if year is None and anchor is None:
        return
    certainty = 1.0 if year else _UNSURE_YEAR
    full = (int(year) if len(year) == 4 else 2000 + int(year)) if year else (anchor or date.min).year
    try:
        found = date(full, month, day)
    except ValueError:
        return
    if year is None and anchor is not None and found > anchor + _AHEAD:
        found = found.replace(year=found.year - 1) if (month, day) != (2, 29) else found
    yield _Found(start=match.start(), end=match.end(), day=found, certainty=certainty)


def _without_overlaps(found: Iterable[_Found]) -> list[_Found]:
    """In reading order; where two overlap the longer one stays."""
    kept: list[_Found] = []
    for item in sorted(found, key=lambda one: (-(one.end - one.start), one.start)):
        if all(item.end <= other.start or item.start >= other.end for other in kept):
            kept.append(item)
    return sorted(kept, key=lambda one: one.start)


def likely_incident(candidates: Sequence[Candidate]) -> Candidate | None:
    """The day code would take for the incident's: the earliest that neither heads a letter nor dates something else.

    Only a second opinion: which day it is, the model says.
    """
    told = [
        item for item in candidates if not looks_alone(item.document, item.span) and not _dates_something_else(item)
    ]
    return min(told, key=lambda item: str(item.value), default=None)


def _dates_something_else(item: Candidate) -> bool:
    before = item.document.text[max(0, item.span.start - _LOOK_BACK) : item.span.start]
    return bool(_SOMETHING_ELSE.search(re.split(r"[.!?]\s|\n\s*\n", before)[-1]))
