"""Who and what a paper is about: persons it is made out to, vehicles, postcodes. Only to raise doubts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

_CAPITAL = "A-ZÀ-ÖØ-ÞĄĆĘŁŃÓŚŹŻŠŽČĎŘŤŮÝ"
_WORD = rf"(?:[{_CAPITAL}]\.?(?![\w])|[{_CAPITAL}][\w'’\-]+)"
_NAME = rf"{_WORD}(?:[ \t](?:(?:de|da|di|van|von|der|den|la|le|bin|al)[ \t])?{_WORD}){{0,3}}"
_TITLE = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herrn?|Frau|Monsieur|Madame|M\.|Mme|Mlle|Se[ñn]ora?|Sra?\.|Sig\.(?:ra)?|Pan|Pani|Dhr"
    r"|Mevr)"
)
_TITLED = re.compile(rf"\b{_TITLE}\.?[ \t]+(?P<name>{_NAME})")
_MADE_OUT = re.compile(
    r"\b(?i:customer(?:[ \t]name)?|client|bill(?:ed)?[ \t]to"
    r"|invoiced?[ \t]to|sold[ \t]to|ship[ \t]to|prepared[ \t]for"
    r"|quot(?:e|ation)[ \t]for|estimate[ \t]for|attn|attention(?:[ \t]of)?|addressee|kunde|kundin|rechnung[ \t]an"
    r"|rechnungsempf[äa]nger|empf[äa]nger|factur[ée][ \t][àa]"
    r"|destinataire|cliente|facturar[ \t]a|intestatario|klient|nabywca|klant)"
    rf"[ \t]*[:.]?[ \t]*\n?[ \t]*(?:{_TITLE}\.?[ \t]+)?(?P<name>{_NAME})"
)
_NO_PERSON = re.compile(
    r"\b(?:ltd|limited|plc|llp|gmbh|ag|kg|inc|s\.?a\.?|s\.?l\.?|s\.?r\.?l\.?|b\.?v\.?|insurance|mutual|copy|no|number|ref|details"
    r"|date|address|account|order|services?)\b",
    re.IGNORECASE,
)
_BLOCK_LENGTH = 160

_BRITISH_PLATE = re.compile(r"(?<![A-Za-z0-9])[A-HJ-PR-Y][A-HJ-PR-Y]\d{2}\s?[A-HJ-PR-Z]{3}(?![A-Za-z0-9])")
_PLATE_LABEL = re.compile(
    r"(?i:\b(?:registration(?:[ \t](?:no|number|mark))?|reg(?:[ \t]?no)?|number[ \t]?plate"
    r"|licen[cs]e[ \t]plate|plate|vrm|kennzeichen"
    r"|immatriculation|matr[íi]cula|targa|rejestracyjny|kenteken)\b)"
    r"[^\w\n]{0,4}(?:(?i:is|no|nr|number)[^\w\n]{1,3})?"
    r"(?P<plate>[A-ZÄÖÜ0-9]{1,4}(?:[ \-·][A-ZÄÖÜ0-9]{1,4}){0,3})(?![A-Za-z0-9])"
)
_LONGEST_PLATE = 9
_NEAR = 80
_THEIRS = re.compile(
    r"\b(?:his|her|their|other|third[ -]party|another|sein\w*|ihr\w*|gegner\w*|fremd\w*|son|leurs?|autre"
    r"|su|otro|suo|altro|jego|jej)\b",
    re.IGNORECASE,
)
_MINE = re.compile(
    r"\b(?:my|mine|our|mein\w*|unser\w*|mon|ma|notre|mi|mío|nuestr[oa]|mio|mia|mój|moje)\b", re.IGNORECASE
)
_OWN_VEHICLE = re.compile(
    r"\b(?:my|our|own|insured|vehicle|mein\w*|unser\w*|mon|ma|notre|mi|nuestro|mio|mia|mój)\b[,:]?"
    r"(?:\s+(?!hit|by|into|behind|with|and|from)[\w,-]+){0,4}\s*$",
    re.IGNORECASE,
)
_BRITISH_POSTCODE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}\d[A-Z\d]?[ \t]?\d[ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9])")
_DUTCH_POSTCODE = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{3}[ \t]?(?!SA|SD|SS)[A-Z]{2}(?=[ \t]+[A-Z])")
_TOWN_POSTCODE = re.compile(
    rf"(?<![\w.,-])(?:[A-Z]{{1,2}}-)?(?P<code>\d{{5}}|\d{{2}}-\d{{3}})(?=[ \t]+[{_CAPITAL}][a-zäöüßéèąęł])"
)

_MODELS = {
    "alfa romeo": "giulietta stelvio",
    "audi": "a1 a3 a4 a6 q2 q3 q5 q7",
    "bmw": "x1 x3 x5 320d 118i",
    "citroen": "berlingo c1 c3 c4 picasso",
    "dacia": "duster logan sandero",
    "fiat": "ducato panda punto tipo",
    "ford": "fiesta focus galaxy kuga mondeo puma transit",
    "honda": "civic jazz cr-v",
    "hyundai": "i10 i20 i30 tucson kona",
    "jaguar": "xe xf",
    "kia": "ceed picanto rio sportage",
    "land rover": "defender discovery evoque freelander",
    "mazda": "cx-3 cx-5 mx-5",
    "mercedes": "sprinter vito",
    "nissan": "juke micra qashqai leaf",
    "opel": "",
    "peugeot": "107 108 206 207 208 308 3008",
    "renault": "captur clio kadjar megane twingo",
    "seat": "arona ibiza leon",
    "skoda": "citigo fabia karoq kodiaq octavia superb",
    "suzuki": "swift vitara ignis",
    "tesla": "",
    "toyota": "auris avensis aygo corolla yaris rav4 prius",
    "vauxhall": "adam astra corsa insignia mokka vivaro zafira",
    "volkswagen": "caddy golf passat polo tiguan touran",
    "volvo": "v40 v50 v60 v70 xc40 xc60 xc90",
}
_OTHER_NAMES = {
    "vw": "volkswagen",
    "mercedes-benz": "mercedes",
    "citroën": "citroen",
    "škoda": "skoda",
    "merc": "mercedes",
}
_EVERYDAY = frozenset(
    {
        "seat",
        "adam",
        "leaf",
        "rio",
        "leon",
        "focus",
        "discovery",
        "galaxy",
        "jazz",
        "puma",
        "swift",
        "superb",
        "defender",
    }
)
"""Words of everyday speech: they name a vehicle only where they are written with a capital, within a line."""
_SAME_MAKER = {"opel": "vauxhall"}


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """Somebody a bill is made out to, and the lines below the name, where the address stands."""

    name: str
    block: str


def find_addressees(text: str) -> Sequence[Addressee]:
    """The persons a bill names as its customer, by label or by title; none on most till receipts."""
    found: dict[str, Addressee] = {}
    for pattern in (_MADE_OUT, _TITLED):
        for match in pattern.finditer(text):
            name = " ".join(match["name"].split())
            if not _NO_PERSON.search(name):
                block = text[match.start() : match.end() + _BLOCK_LENGTH]
                found.setdefault(name.casefold(), Addressee(name=name, block=block))
    return tuple(found.values())


def find_registrations(text: str, *, own: bool = False) -> Sequence[str]:
    """Registrations of vehicles: British ones wherever they stand, others where a label says what they are.

    `own` leaves out those that a letter says are somebody else's.
    """
    found = [match.group() for match in _BRITISH_PLATE.finditer(text) if not (own and _others(text, match.start()))]
    for match in _PLATE_LABEL.finditer(text):
        plate = match["plate"]
        if own and _others(text, match.start()):
            continue
        if any(character.isdigit() for character in plate) and any(character.isalpha() for character in plate):
            found.append(plate)
    normal = (re.sub(r"[\W_]", "", plate) for plate in found)
    return tuple(dict.fromkeys(plate for plate in normal if len(plate) <= _LONGEST_PLATE))


def find_vehicles(text: str, *, own: bool = False) -> Sequence[str]:
    """Makers of the vehicles a text names, by maker or model, each once; `own`: only of those it calls the writer's."""
    return tuple(dict.fromkeys(_SAME_MAKER.get(maker, maker) for maker in _makers(text, own=own)))


def find_postcodes(text: str) -> Sequence[str]:
    """Postcodes as people write them in the United Kingdom, the Netherlands, and where five digits head a town."""
    found = [match.group() for pattern in (_BRITISH_POSTCODE, _DUTCH_POSTCODE) for match in pattern.finditer(text)]
    found += [match["code"] for match in _TOWN_POSTCODE.finditer(text)]
    return tuple(dict.fromkeys(re.sub(r"[\s-]", "", code) for code in found))


def _others(text: str, place: int) -> bool:
    """Whether what stands at `place` is said to be somebody else's."""
    before = re.split(r"[.!?]\s|\n\s*\n", text[max(0, place - _NEAR) : place])[-1]
    theirs, mine = list(_THEIRS.finditer(before)), list(_MINE.finditer(before))
    return bool(theirs) and (not mine or mine[-1].start() < theirs[-1].start())


def _makers(text: str, *, own: bool) -> Iterator[str]:
    for match in _vehicle_words().finditer(text):
        word = match.group()
        if word.casefold() in _EVERYDAY and not _is_a_name(text, match):
            continue
        if own and not _OWN_VEHICLE.search(text[max(0, match.start() - _NEAR) : match.start()]):
            continue
        yield _maker_of()[word.casefold()]


def _is_a_name(text: str, match: re.Match[str]) -> bool:
    before = text[: match.start()].rstrip(" \t")
    return match.group()[0].isupper() and bool(before) and before[-1] not in ".!?:\n"


@cache
def _maker_of() -> dict[str, str]:
    models = {model: maker for maker, names in _MODELS.items() for model in names.split()}
    return {**models, **{maker: maker for maker in _MODELS}, **_OTHER_NAMES}


@cache
def _vehicle_words() -> re.Pattern[str]:
    # Models of digits alone ("208") mean a vehicle only behind the maker, who is found already.
    words = sorted((word for word in _maker_of() if not word.isdigit()), key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, words)) + r")(?![\w-])", re.IGNORECASE)
