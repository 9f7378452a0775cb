"""Checks on what leaves the house: nobody else's personal data, no secrets."""

import re
from collections.abc import Iterable, Iterator

from overseen.guardrails.check import Judgement, Subject, abstained, blocked, passed

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.-])(?:\+\d{1,3}[\s-]?(?:\(0\))?|\(?0)(?:[\s()-]?\d){8,11}(?![\w-])")
_NATIONAL_INSURANCE = re.compile(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\s?\d{2}\s?\d{2}\s?\d{2}\s?[A-D]\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,3})?\b")
_SORT_CODE = re.compile(r"(?<![\d-])\d{2}-\d{2}-\d{2}(?![\d-])")
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){13,18}\d(?!\d)")
_PLATE = re.compile(r"\b[A-Z]{2}\d{2}\s?[A-Z]{3}\b")
_SHAPES = {
    "e-mail address": _EMAIL,
    "national insurance number": _NATIONAL_INSURANCE,
    "account number": _IBAN,
    "sort code": _SORT_CODE,
    "telephone number": _PHONE,
    "card number": _CARD,
    "registration plate": _PLATE,
}

_SECRETS = {
    "vault token": re.compile(r"\b(?:hvs|hvb|hvr|s|b)\.[A-Za-z0-9_-]{20,}"),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "cloud access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "api key": re.compile(
        r"\b(?:sk|pk|rk)[-_](?:live|test|proj|lf|ant)?[-_]?[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\be2b_[a-z0-9]{20,}"
    ),
    "signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    "password": re.compile(
        r"(?i)\b(?:password|passwd|pwd|secret|api[_-]?key|token)\b\s*[:=]\s*[\"']?(?=[^\s\"']*[\d!@#$%^&*_-])[^\s\"']{8,}"
    ),
    "connection string": re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@]+:[^\s@]{3,}@[^\s]+"),
    "database role": re.compile(r"\bv-(?:approle|token|root)-[\w-]{8,}"),
}


def judge_others_personal_data(subject: Subject) -> Judgement:
    """`text` is about to be sent to one person.

    `context["own"]` lists what is the addressee's own or the company's (names, addresses, accounts). `context["names"]`
    lists names of other people met in the run. Everything shaped like personal data that is not own is refused.
    """
    if not subject.text.strip():
        return abstained("There is no text.")
    own = [_bare(item) for item in _strings(subject.context.get("own"))]
    found: list[tuple[str, str]] = []
    for label, shape in _SHAPES.items():
        for match in shape.finditer(subject.text):
            if not any(_bare(match.group()) in item for item in own):
                found.append((label, match.group()))
    lowered = f" {_words(subject.text)} "
    for name in _strings(subject.context.get("names")):
        if f" {_words(name)} " in lowered and not any(_bare(name) in item for item in own):
            found.append(("name", name))
    if found:
        kinds = sorted({label for label, _ in found})
        return blocked(
            f"The text holds personal data of somebody else: {', '.join(kinds)}.",
            found=[text for _, text in found[:10]],
        )
    return passed("The text holds nobody else's personal data.")


def judge_secrets_in_output(subject: Subject) -> Judgement:
    """`text` is about to be shown, sent or stored. `context["known"]` may list secrets that must not be in it."""
    if not subject.text:
        return abstained("There is no text.")
    kinds = [label for label, shape in _SECRETS.items() if shape.search(subject.text)]
    if any(secret and secret in subject.text for secret in _strings(subject.context.get("known"))):
        kinds.append("known secret")
    if kinds:
        # The evidence names kinds only: a finding must not carry the secret on.
        return blocked(f"The text holds a secret: {', '.join(kinds)}.", kinds=kinds)
    return passed("The text holds no secret.")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        yield from (item for item in value if isinstance(item, str) and item)


def _bare(text: str) -> str:
    return re.sub(r"[\s().-]", "", text).casefold()


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
