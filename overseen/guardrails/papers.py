"""Checks on papers together: their dates fit, they are about the same person and things, the claimant signed them."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from overseen.guardrails.check import Judgement, Subject, abstained, flagged, passed
from overseen.guardrails.reading import name_parts

_OTHER_SIDE_OF_THE_WORLD = timedelta(days=1)
"""Days are compared in UTC; where the claimant lives it may be a day later."""
_LONG_AGO = timedelta(days=365)
_SAME_NAME_LENGTH = 2


def judge_dates_fit(subject: Subject) -> Judgement:
    """`text` is JSON {"handed_in": date, "incident": date | null, "papers": [{"source", "kind", "dates": [date]}]}.

    Dates are ISO. Several `dates` of a paper are readings of one ambiguous date: it fits when one of them does. Papers
    of the kind photo are held against today alone.
    """
    data = _object(subject.text)
    today, incident = _day(data.get("handed_in")), _day(data.get("incident"))
    if today is None:
        return abstained("It is not known when this was handed in, so its dates cannot be held against that day.")
    latest = today + _OTHER_SIDE_OF_THE_WORLD
    problems: list[str] = []
    if incident is not None and incident > latest:
        problems.append(f"The incident ({incident}) lies after the day on which it was reported ({today}).")
    if incident is not None and incident < today - _LONG_AGO:
        problems.append(f"The incident ({incident}) was more than a year before it was reported ({today}).")
    for paper in _items(data.get("papers")):
        days = [day for item in paper.get("dates") or () if (day := _day(item)) is not None]
        source, kind = paper.get("source"), paper.get("kind")
        if days and min(days) > latest:
            problems.append(f"The {kind} {source} is dated {min(days)}, after it was handed in ({today}).")
        elif days and incident is not None and kind != "photo" and max(days) < incident:
            problems.append(f"The {kind} {source} is dated {max(days)}, before the incident ({incident}).")
    if problems:
        return flagged(" ".join(problems), problems=problems)
    return passed("The dates fit together, as far as any are named.")


def judge_papers_about_the_same(subject: Subject) -> Judgement:
    """`text` is JSON {"compared": [{"what", "told": [{"source", "value"}], "named": [{"source", "value"}]}]}.

    `what` is person, or any other word for things that are the same when they are written the same. `told` is what the
    claim is about, `named` what papers are about. A paper that names only others is flagged with both; one that names
    nobody cannot be compared, which is no doubt: most till receipts name nobody.
    """
    different: list[dict[str, Any]] = []
    not_compared: list[str] = []
    unknown: list[str] = []
    for item in _items(_object(subject.text).get("compared")):
        what, told, named = str(item.get("what")), _items(item.get("told")), _items(item.get("named"))
        if named and not told and item.get("needed"):
            unknown.append(what)
        if not named or not told:
            not_compared.append(f"{what}: {'no paper' if not named else 'no letter'} names one")
            continue
        for source in dict.fromkeys(str(one.get("source")) for one in named):
            own = [str(one.get("value")) for one in named if str(one.get("source")) == source]
            if not any(_same(what, str(one.get("value")), value) for one in told for value in own):
                different.append({"what": what, "source": source, "names": own, "told": [dict(one) for one in told]})
    if different:
        said = "; ".join(
            f"{item['source']} is about {' and '.join(item['names'])}, the claim about "
            f"{' and '.join(str(one['value']) for one in item['told'])}"
            for item in different
        )
        return flagged(f"A paper is about somebody or something else: {said}.", different=different)
    if unknown:
        return abstained(
            f"A paper names a {', '.join(unknown)}, and there is none to compare with.", not_compared=not_compared
        )
    return passed("The papers are about the same, as far as they say.", not_compared=not_compared)


def judge_signed_by_claimant(subject: Subject) -> Judgement:
    """`text` is JSON {"claimant": name | null, "signatures": [{"source", "name"}]}; first names alone count too."""
    data = _object(subject.text)
    claimant, signatures = str(data.get("claimant") or ""), _items(data.get("signatures"))
    if not signatures:
        return passed("No letter is signed with a name.")
    if not name_parts(claimant):
        return abstained("There is no full name of the claimant to compare the signatures with.", signatures=signatures)
    others = [dict(item) for item in signatures if not same_person(str(item.get("name") or ""), claimant)]
    if others:
        names = ", ".join(str(item.get("name")) for item in others)
        return flagged(f"A letter is signed by {names}, the claimant is {claimant}.", signatures=others)
    return passed("Letters are signed by the claimant.")


def same_person(one: str, other: str) -> bool:
    """Whether two names may be one person's: each word of the shorter begins, or is begun by, one of the longer."""
    short, full = sorted((name_parts(one), name_parts(other)), key=len)
    if not short:
        return False
    left = list(full)
    alike = False
    for word in short:
        match = next((item for item in left if item == word), None) or next(
            (item for item in left if item.startswith(word) or word.startswith(item)), None
        )
        if match is None:
            return False
        left.remove(match)
        alike = alike or (min(len(match), len(word)) >= _SAME_NAME_LENGTH)
    return alike


def _same(what: str, told: str, named: str) -> bool:
    return same_person(told, named) if what == "person" else told.casefold() == named.casefold()


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None


def _object(text: str) -> Mapping[str, Any]:
    data = json.loads(text)
    return data if isinstance(data, Mapping) else {}


def _items(value: object) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
