"""Dates in running text: written out, in digits, or told from the day of writing ("yesterday", "on Saturday")."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import parsedate_to_datetime

from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import Candidate, span_of
from overseen.agents.extractor.cues import looks_alone

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
_AHEAD = timedelta(days=45)
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
        )


def written_on(document: Document, day_first: bool) -> date | None:
    """When the document was written: a mail's Date header, else the latest full date in it."""
    header = str(document.metadata.get("date") or "")
    if not header and (match := _HEADER_DATE.search(document.text[:_HEADER_LENGTH])):
        header = match.group("date")
    if header:
        try:
            return parsedate_to_datetime(header.strip()).date()
        except ValueError:
            pass  # not RFC 5322: the text itself may still say
    full = [found.day for found in _all(document.text, None, day_first)]
    return max(full, default=None)


def _all(text: str, anchor: date | None, day_first: bool) -> Iterator[_Found]:
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        for match in pattern.finditer(text):
            month = _MONTH_NUMBER[match["month"].lower()]
            yield from _dated(match, match["year"], month, int(match["day"]), anchor)
    for match in _ISO.finditer(text):
        yield from _dated(match, match["year"], int(match["month"]), int(match["day"]), anchor)
    for match in _DIGITS.finditer(text):
        if match["mark"] == "-" and len(match["year"]) == 2:
            continue  # 20-10-26 is how sort codes are written
        one, two = int(match["one"]), int(match["two"])
        swapped = two > 12 or (not day_first and match["mark"] != "." and one <= 12)
        yield from _dated(match, match["year"], one if swapped else two, two if swapped else one, anchor)
    if anchor is None:
        return
    for match in _SHORT.finditer(text):
        yield from _dated(match, None, int(match["month"]), int(match["day"]), anchor)
    for match in _RELATIVE.finditer(text):
        day = anchor - timedelta(days=_DAYS_BACK[match.group().lower()])
        yield _Found(start=match.start(), end=match.end(), day=day, certainty=_UNSURE_DAY)
    for match in _WEEKDAY.finditer(text):
        back = (anchor.weekday() - _WEEKDAY_NUMBER[match["weekday"].lower()]) % 7 or 7
        yield _Found(start=match.start(), end=match.end(), day=anchor - timedelta(days=back), certainty=_UNSURE_DAY)


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
