"""What code can tell about a text without a model: its language, its kind, talk of injury, more than one claim."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overseen.agents.documents import Document
from overseen.domain.facts import Span
from overseen.guardrails.instructions import instruction_signs

_COMMON_WORDS = {
    "en": "the and of to was my is in that it for i you we with on at have this be not are which from your had",
    "de": "der die das und ich nicht ist mit den von zu auf im ein eine wir sie es dem habe wurde war bei auch sehr",
    "fr": "le la les et des je que est dans pour une du au nous vous pas avec ce sur mon ma sont été par mes",
    "es": "el los las y que en de un una por con para mi es se no del al me lo su como está fue he",
    "it": "il gli che di un una per con non è del della mio mia sono ho nel alla le si anche stato",
    "nl": "de het een van en ik is niet op dat met te voor zijn mijn er aan heb was bij ook naar",
    "pl": "i w z na się nie jest to że do mój moja został była przez oraz ale od po za jak mnie",
    "pt": "o os as e que de um uma por com para meu minha é não do da no na se foi como ao",
}
_WORDS_BY_LANGUAGE = {code: frozenset(words.split()) for code, words in _COMMON_WORDS.items()}

_INJURY = re.compile(
    r"\b(injur\w+|whiplash|(?:to|in|from)\s+(?:the\s+)?hospital\b|ambulance"
    r"|concuss\w*|fractur\w*|bruis\w*|bleed\w*|bled|stitches|paramedic\w*|a&e"
    r"|sprain\w*|unconscious|physio\w*"
    r"|(?:got|was|were|is|been|nobody|no one|noone|anyone|anybody)\s+(?:\w+\s+)?hurt"
    r"|broken?\s+(?:my|his|her)\s+(?:\w+\s+)?"
    r"(?:wrist|arm|leg|neck|back|ribs?|collarbone|nose|ankle|shoulder|knee|finger|hand|foot|toe|tooth|jaw)"
    r"|(?:broken|sore|stiff|hurt)\s+(?:wrist|arm|leg|neck|back|rib|ribs|collarbone|nose|ankle|shoulder|knee)"
    r"|(?:neck|back|head|wrist|arm|shoulder|chest)\s+(?:pain|hurts?|ache)"
    r"|my (?:neck|back|wrist|arm|shoulder|head) (?:hurts?|aches?|is sore)"
    r"|verletz\w+|krankenhaus|krankenwagen|bless[ée]\w*|hôpital|herid\w+|ferit\w+|gewond|ranny|ranna|szpital\w*)",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:no|nobody|no[ -]?one|none|not|never|without|neither|niemand|kein\w*|nicht|personne|aucun\w*|nadie|ningun\w*"
    r"|nessuno|nikt)\b|n['’]t\b",
    re.IGNORECASE,
)
_ALSO_OF_THINGS = re.compile(r"fractur|bleed|bled|bruis|stitches", re.IGNORECASE)
_THING = re.compile(
    r"\b(?:pipe\w*|radiators?|brakes?|boiler|heating|system|tank|valve|hose|joint|casting|mounting|tile|glass|seam|seat|fruit"
    r"|upholstery|leather)\b",
    re.IGNORECASE,
)
_THING_NEAR = 30
_CLAUSE_LENGTH = 80
_LEAST_SHARED = 3
_LEAST_TELLING = 6
_WIDE_LINE = 60
_SENTENCE_WORDS = 9
_WORDY_LINES = 2
_SUM = re.compile(r"\d[.,]\d{2}(?!\d)")
_SOMEBODY = re.compile(
    r"\b(?:i|my|me|we|our|us|she|he|her|his|they|was|were|ich|wir|mein\w*|sie|er|je|nous|elle|il|mi|ella)\b",
    re.IGNORECASE,
)
_NO_STORY = re.compile(
    r"\b(?:sort code|account|iban|konto\w*|cuenta|regards|sincerely|faithfully|attach\w*|enclos\w*|estimate\w*"
    r"|quot\w+|invoice"
    r"|please pay|e-mail|mobile|subject:|national insurance)|@|\d{5}",
    re.IGNORECASE,
)
_OTHER_CLAUSE = re.compile(r"\b(?:and|but|though|aber|und)\b|;|,\s*(?:my|i|his|her|the|she|he|we)\b", re.IGNORECASE)
_DENIAL_AFTER = re.compile(r"[^.!?,;]{0,40}\b(?:niemand|nobody|personne|nadie|nessuno|nikt)\b", re.IGNORECASE)
_DENIAL_WITHIN = re.compile(r"^(nobody|no one|noone|anyone|anybody)", re.IGNORECASE)
_SECOND_CLAIM = re.compile(
    r"\b(second claim|another claim|two claims|both claims|separate claim"
    r"|also (?:like|want|wish|need) to (?:make a )?claim|other claim"
    r"|claim number two|while i am at it|at the same time i(?:'d| would) like to)\b",
    re.IGNORECASE,
)
_BILL = {
    "invoice": re.compile(r"\b(invoice|rechnung|facture|factura|fattura|faktura|factuur)\b", re.IGNORECASE),
    "receipt": re.compile(
        r"\b(receipt|till|paid card|quittung|kassenbon|reçu|ticket de caisse|paragon)\b", re.IGNORECASE
    ),
    "estimate": re.compile(
        r"\b(estimate|quotation|quote|kostenvoranschlag|devis|presupuesto|preventivo|offerte|kosztorys)\b",
        re.IGNORECASE,
    ),
}
_BILL_SIGNS = re.compile(
    r"\b(sub-?total|total|vat|mwst|ust|tva|iva|btw|qty|quantity|unit price|unit|hours|parts"
    r"|labour|amount|summe|gesamt\w*|netto|brutto"
    r"|zwischensumme|menge|einzelpreis)\b",
    re.IGNORECASE,
)
_LETTER_SIGNS = re.compile(
    r"\b(dear|regards|sincerely|faithfully|hello|hi|policy|claim|my|i|geehrte\w*|grüßen|bonjour|cordialement|estimad\w+)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^\s].*?(?:[.!?](?=\s)|\n\s*\n|\Z)", re.DOTALL)
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|No|no|approx|e\.g|i\.e|St|Prof|ca|Nr|z\.B|\d{1,2})\.$")


@dataclass(frozen=True, kw_only=True)
class Language:
    """ISO 639-1 code and how clear the text makes it, 0..1."""

    code: str
    certainty: float


def detect_language(text: str, usual: str) -> Language:
    """The language of a text by its commonest words; `usual` with low certainty when there are too few to tell."""
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    scores = {code: sum(words[word] for word in common) for code, common in _WORDS_BY_LANGUAGE.items()}
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    best, next_best = scores[ranked[0]], scores[ranked[1]]
    if best < 3 or best == next_best:
        return Language(code=usual, certainty=0.9 if best == scores.get(usual, 0) else 0.5)
    return Language(code=ranked[0], certainty=round(min(0.995, 0.8 + 0.4 * (best - next_best) / best), 3))


def injury_cue(text: str) -> Span | None:
    """The first mention of somebody hurt that is not denied in its own clause ("nobody was hurt")."""
    return next((Span(start=at, end=end, quote=text[at:end]) for at, end, denied in _hurt(text) if not denied), None)


def denies_injury(text: str) -> Span | None:
    """The first place that says nobody was hurt."""
    return next((Span(start=at, end=end, quote=text[at:end]) for at, end, denied in _hurt(text) if denied), None)


def _hurt(text: str) -> Iterator[tuple[int, int, bool]]:
    """Start, end and whether it is denied, of every mention of somebody hurt."""
    flat = text.replace("\n", " ")  # a line end is no sentence end, and offsets stay as they are
    for match in _INJURY.finditer(flat):
        around = flat[max(0, match.start() - _THING_NEAR) : match.end() + _THING_NEAR]
        if _ALSO_OF_THINGS.match(match.group()) and _THING.search(around):
            continue  # pipes fracture and radiators are bled
        before = re.split(r"[.!?:]\s", flat[max(0, match.start() - _CLAUSE_LENGTH) : match.start()])[-1]
        denials = list(_DENIAL.finditer(before))
        denied = bool(denials) and not _OTHER_CLAUSE.search(before, denials[-1].end())
        inside = _DENIAL_WITHIN.match(match.group()) or _DENIAL.search(match.group())
        after = _DENIAL_AFTER.match(flat, match.end())
        yield match.start(), match.end(), denied or inside is not None or after is not None


def second_claim_cue(text: str) -> Span | None:
    """Words that announce a second claim in the same text."""
    match = _SECOND_CLAIM.search(text)
    return Span(start=match.start(), end=match.end(), quote=match.group()) if match else None


def bill_kind(document: Document) -> str | None:
    """estimate, invoice or receipt for a bill; None for a letter and everything else.

    A letter talks about an estimate in sentences; a bill is made of amounts and of words like total and VAT.
    """
    text = document.text
    words = max(1, len(re.findall(r"\w+", text)))
    signs, letter = len(_BILL_SIGNS.findall(text)), len(_LETTER_SIGNS.findall(text))
    sums = len(re.findall(r"\d[.,]\d{2}(?!\d)", text))
    if signs + sums < 3 or sums == 0 or (letter > signs + sums and words > 60):
        return None
    named = {kind: match.start() for kind, pattern in _BILL.items() if (match := pattern.search(text))}
    return min(named, key=named.__getitem__) if named else "receipt"


def sentences(text: str) -> Sequence[Span]:
    """The sentences of a text in order; blank lines end one too."""
    found: list[Span] = []
    start: int | None = None
    for match in _SENTENCE.finditer(text):
        begin = match.start() if start is None else start
        if _ABBREVIATION.search(match.group()):
            start = begin
            continue
        quote = text[begin : match.end()].rstrip()
        found.append(Span(start=begin, end=begin + len(quote), quote=quote))
        start = None
    return found


def story(document: Document, limit: int) -> str:
    """The sentences that tell what happened, in order.

    Greetings, addresses, sums and accounts are left out, and so is what gives orders or other people's numbers.
    """
    told: list[str] = []
    for span in sentences(_running_text(document.text)):
        sentence = " ".join(span.quote.split())
        tells = len(sentence.split()) >= _LEAST_TELLING and not _NO_STORY.search(sentence)
        if tells and not instruction_signs(sentence):
            told.append(sentence)
    return " ".join(told)[:limit].rsplit(" ", 1)[0] if told else ""


def _running_text(text: str) -> str:
    """The lines written to the edge, and the last line of each paragraph: addresses and greetings fall away."""
    kept: list[str] = []
    flowing = False
    for line in text.splitlines():
        words = line.strip()
        wide = len(words) >= _WIDE_LINE
        if wide or (flowing and words):
            kept.append(words)
        elif kept and kept[-1]:
            kept.append("")
        flowing = wide and not words.endswith((".", "!", "?", ":"))
    return "\n".join(kept)


def tells(text: str) -> bool:
    """Whether a paper tells something in sentences, as a letter does, beside its sums."""
    by_somebody = len(_SOMEBODY.findall(text))
    lines = [line for line in text.splitlines() if not _SUM.search(line)]
    wordy = sum(len(re.findall(r"[^\W\d_]{2,}", line)) >= _SENTENCE_WORDS for line in lines)
    return by_somebody >= _LEAST_SHARED or wordy >= _WORDY_LINES


def looks_alone(document: Document, span: Span) -> bool:
    """Whether the span has its line to itself, as the date of a letter has."""
    start = document.text.rfind("\n", 0, span.start) + 1
    end = document.text.find("\n", span.end)
    rest = document.text[start : span.start] + document.text[span.end : end if end >= 0 else None]
    return len(re.findall(r"\w{2,}", rest)) <= _LEAST_SHARED


def nearest_sentence(documents: Sequence[Document], text: str) -> tuple[Document, Span] | None:
    """The sentence that shares the most words with `text`, and its document; None when none shares three."""
    wanted = _telling_words(text)
    best: tuple[int, Document, Span] | None = None
    for document in documents:
        for span in sentences(document.text):
            shared = len(wanted & _telling_words(span.quote))
            if shared >= _LEAST_SHARED and (best is None or shared > best[0]):
                best = (shared, document, span)
    return None if best is None else best[1:]


def _telling_words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W\d_]+", text.lower()) if len(word) > 3}
