"""Policy numbers, bank accounts and names in running text."""

import re
from collections.abc import Iterator, Sequence

from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import Candidate, span_of

# OCR takes 0 for O, 1 for I or l, 5 for S, 8 for B: each part of the number knows what it may hold.
_POLICY = re.compile(
    r"(?<![A-Za-z0-9])(?P<kind>[A-Z0]{3})\s?[-–—‑_ ]\s?(?P<digits>[0-9OIlSBZ]{4})"
    r"\s?[-–—‑_ ]\s?(?P<letters>[A-Z01586]{2})(?![A-Za-z0-9])"
)
_POLICY_LOOSE = re.compile(
    r"(?<![A-Za-z0-9])(?P<kind>CAR|HOM|TRV)(?P<digits>\d{4})(?P<letters>[A-Z]{2})(?![A-Za-z0-9])", re.IGNORECASE
)
_POLICY_LOWER = re.compile(
    r"(?<![A-Za-z0-9])(?P<kind>car|hom|trv)\s?-\s?(?P<digits>\d{4})\s?-\s?(?P<letters>[a-z]{2})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_TO_DIGIT = str.maketrans("OIlSBZ", "011582")
_TO_LETTER = str.maketrans("01586", "OISBG")

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_SORT_CODE = re.compile(
    r"(?<![\d-])(?P<sort>\d{2}[-– ]\d{2}[-– ]\d{2})(?![\d-])(?P<between>[^\d]{1,60}?)(?P<account>\d{8})(?!\d)",
    re.DOTALL,
)
_ACCOUNT_FIRST = re.compile(
    r"(?<!\d)(?P<account>\d{8})(?!\d)(?P<between>[^\d]{1,60}?)(?P<sort>\d{2}[-–]\d{2}[-–]\d{2})(?![\d-])", re.DOTALL
)

_CAPITAL = "A-ZÀ-ÖØ-ÞĄĆĘŁŃÓŚŹŻŠŽČĎŘŤŮÝ"
_NAME_WORD = rf"(?:[{_CAPITAL}]\.|[{_CAPITAL}][\w'’\-]+)"
_NAME = rf"{_NAME_WORD}(?:[ ](?:(?:de|da|van|von|der|den|la|le|bin|al)[ ])?{_NAME_WORD}){{1,3}}"
_TITLE = r"(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|M|Mme|Pan|Pani)\.?\s+)?"
_SAID = re.compile(
    r"(?:[Mm]y name is|[Ii] am|I'm|[Ii]ch bin|[Mm]ein Name ist|[Jj]e m'appelle|[Mm]i chiamo|[Mm]e llamo|[Nn]azywam się"
    r"|[Pp]olicy ?holder:?|[Nn]ame:?|[Cc]laimant:?|[Ii]nsured:?|Versicherungsnehmer(?:in)?:?)"
    rf"\s+{_TITLE}(?P<name>{_NAME})"
)
_CLOSING = re.compile(
    r"(?i:regards|sincerely|faithfully|thanks|thank you|cheers|ta very much|best wishes|all the best|yours"
    r"|grüßen|grüssen|gruß"
    r"|salutations|cordialement|saludos?|atentamente|cordiali saluti|pozdrawiam|poważaniem|groeten?)"
    rf"[^\n]{{0,30}}[,.!]?\s*\n+\s*(?:\([^)]*\)\s*)?{_TITLE}(?P<name>{_NAME})"
)
_FROM_HEADER = re.compile(rf"^From:\s*\"?(?P<name>{_NAME})\"?\s*<", re.MULTILINE)
_FIRST_LINE = re.compile(rf"\A\s*{_TITLE}(?P<name>{_NAME})\s*(?:,[^\n]*)?\n")
_LAST_LINE = re.compile(rf"\n\s*{_TITLE}(?P<name>{_NAME})\s*(?:\((?:Mr|Mrs|Ms|Miss|Dr)\)\s*|,[^\n]*)?\Z")
_SIGNED = re.compile(
    r"(?:^|\n|[.,!;]\s)[^\n]{0,40}\b(?i:regards|sincerely|faithfully|thanks|thank you|cheers|best wishes|all the best"
    r"|best|yours|love|mfg|grüßen|grüssen|grüße|gruß|salutations|cordialement|gracias|saludos?|atentamente|merci|grazie"
    r"|saluti|pozdrawiam|poważaniem|groeten?)"
    rf"[^\n]{{0,20}}?(?:[,.!]?\s*\n+\s*|,[ ]*){_TITLE}(?P<name>{_NAME_WORD}(?:[ ]{_NAME_WORD}){{0,3}})"
    r"(?=\s*(?:$|\n|[,.(x]))"
)
_NO_NAME = re.compile(
    r"\b(Dear|Harbour|Mutual|Insurance|Policy|Claim|Claims|Department|Road|Street|Close|Lane|Avenue|Drive|Court|Ltd|Limited"
    r"|GmbH|Re|Hello|Kind|Best|Many|Yours|Subject|Date|January|February|March|April|May|June|July|August|September|October"
    r"|November|December|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b"
)


def find_policy_numbers(document: Document) -> Iterator[Candidate]:
    """Everything shaped like CAR-2214-KL, in its normal spelling."""
    seen: set[tuple[int, int]] = set()
    for pattern in (_POLICY, _POLICY_LOOSE, _POLICY_LOWER):
        for match in pattern.finditer(document.text):
            if match.span() in seen:
                continue
            seen.add(match.span())
            kind = match["kind"].upper().translate(_TO_LETTER)
            digits = match["digits"].translate(_TO_DIGIT)
            letters = match["letters"].upper().translate(_TO_LETTER)
            if digits.isdigit():
                yield _candidate(document, match.span(), f"{kind}-{digits}-{letters}")


def find_accounts(document: Document) -> Iterator[Candidate]:
    """IBANs whose check digits hold, in groups of four; sort code and account number as `20-45-11 60317752`."""
    for match in _IBAN.finditer(document.text):
        compact = re.sub(r"\s", "", match.group())
        if iban_holds(compact):
            yield _candidate(document, match.span(), " ".join(re.findall(r".{1,4}", compact)))
    for pattern in (_SORT_CODE, _ACCOUNT_FIRST):
        for match in pattern.finditer(document.text):
            sort = "-".join(re.findall(r"\d{2}", match["sort"]))
            yield _candidate(document, match.span(), f"{sort} {match['account']}")


def find_names(document: Document) -> Iterator[Candidate]:
    """Names that introduce themselves, sign, head a letter or send a mail; the surest sort first."""
    found: set[str] = set()
    sender = str(document.metadata.get("from") or "")
    if match := re.match(rf"\"?(?P<name>{_NAME})\"?\s*<", sender):
        start = document.text.find(match["name"])
        if start >= 0:
            found.add(match["name"].casefold())
            yield _candidate(document, (start, start + len(match["name"])), match["name"])
    for pattern in (_FROM_HEADER, _CLOSING, _SAID, _FIRST_LINE, _LAST_LINE):
        for match in pattern.finditer(document.text):
            name = " ".join(match["name"].split())
            if name.casefold() in found or _NO_NAME.search(name) or len(name) > 60:
                continue
            found.add(name.casefold())
            yield _candidate(document, match.span("name"), name)


def find_signatures(text: str) -> Iterator[str]:
    """Names that letters end with, first names alone too; each once."""
    found: set[str] = set()
    for match in _SIGNED.finditer(text):
        name = " ".join(match["name"].split())
        if name.casefold() not in found and not _NO_NAME.search(name):
            found.add(name.casefold())
            yield name


def without_short_forms(names: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The names without those that only shorten another one: L. Cartwright beside Lewis Cartwright."""
    return tuple(
        item
        for item in names
        if not any(other is not item and _shortens(str(item.value), str(other.value)) for other in names)
    )


def _shortens(short: str, full: str) -> bool:
    short_words, full_words = short.casefold().replace(".", "").split(), full.casefold().split()
    if len(short) >= len(full) or short_words[-1] != full_words[-1]:
        return False
    return all(any(word.startswith(part) for word in full_words) for part in short_words[:-1])


def iban_holds(compact: str) -> bool:
    """Whether the check digits of an IBAN without spaces are right (ISO 7064, modulo 97)."""
    if not 15 <= len(compact) <= 34 or not compact.isalnum() or not compact.isascii():
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _candidate(document: Document, place: tuple[int, int], value: str) -> Candidate:
    return Candidate(value=value, document=document, span=span_of(document.text, *place))
