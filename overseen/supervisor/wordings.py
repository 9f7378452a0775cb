"""Words only the record may use: that something is paid, decided, approved or will happen, where to click, and "not".

A model that words a fact has no need of them. Several languages, because letters, questions and so answers come in
them; a word too many costs a plainer answer, a word too few a false promise.
"""

import re

_ENDING = r"\w*"
_STATUS_STEMS = (
    # English
    "paid|pays?|paying|payments?|payouts?|reimburs|refund|settl|transferred|remitt|compensat|credited|deposit|approv"
    "|accept|granted|den(?:y|ies|ied|ial)|reject|declin|refus|decid|decision|entitle|eligib|guarant|promis|confirm"
    "|authori[sz]|processed|completed|closed|resolved|successful|cover(?:ed|s|age)|will|shall|going to|about to"
    "|expect|soon|tomorrow|within \\w+ (?:working )?days|next steps?|in progress|under review|review(?:er|ed|ing)"
    # German
    "|bezahl|ausgezahlt|auszahl|ausbezahl|zahlung|zahlen|gezahlt|überw(?:eis|ies)|erstatt|genehmig|bewillig|angenommen"
    "|abgelehnt|ablehn|entschied|entscheid|beglichen|reguliert|wird|werden|gedeckt|versprech|garant|zugesagt|erhalten"
    # French
    "|pay(?:é|er|ée|ées|és|ement)|vers(?:é|er|ement)|rembours|indemnis|approuv|accord(?:é|er)|accept(?:é|er)|refus"
    "|rejet|décid|décision|sera|seront|allons|garanti|promet|virement"
    # Spanish, Portuguese
    "|pag(?:ad|ar|ará|arem|o|ue|amento)|abonad|reembols|transfer|aprob|aprov|acept|aceit|rechaz|rejeit|deneg|negad"
    "|decid|decisi|será|serán|vamos|garantiz|promet"
    # Italian
    "|pagat|pagher|pagamento|rimbors|liquidat|bonific|approvat|accettat|rifiutat|respint|decis|sarà|saranno"
    # Dutch, Polish
    "|betaald|betaling|uitbetaal|uitgekeerd|goedgekeurd|afgewezen|besloten|besliss|wordt|worden|zullen"
    "|wypłac|zapłac|płatno|zatwierdz|przyzna|odrzuc|odmow|decyzj|zostanie|będzie"
)
STATUS = re.compile(rf"(?<!\w)(?:{_STATUS_STEMS}){_ENDING}", re.IGNORECASE)
"""A state, an outcome, a payment, or something to come."""

NEGATION = re.compile(
    r"(?<!\w)(?:no|not|never|none|nothing|nobody|neither|nor|without|cannot|kein\w*|nicht|nie|niemand|nichts|ohne"
    r"|ne|n'|pas|jamais|rien|aucun\w*|sans|nunca|nada|nadie|ningun\w*|sin|non|mai|niente|nessun\w*|senza|niet|geen|nooit"
    r"|zonder|nie|nigdy|bez|não|sem)(?!\w)|n['’]t(?!\w)",
    re.IGNORECASE,
)

LINK = re.compile(
    r"\b\w+://|\bwww\.|\bmailto:|[\w.+-]+\s?@\s?[\w-]+|\]\s?\(|<a\b"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:[a-z]{2,24})\b(?:/\S*)?",
    re.IGNORECASE,
)
"""An address to click on or to write to; file names look like one and have to be taken out first."""

_TOPICS = {
    "standing": (
        r"wait|stuck|hold|status|state|stand|decid|decision|approv|accept|reject|den[iy]|outcome|result|review|why|reason"
        r"|settle|cover|who|finish|ready|done|progress|warte|stand|entscheid|genehmig|abgelehnt|warum|wieso|fertig"
        r"|attend|décid|décision|pourquoi|refus|esper|decid|por qu|aprob|rechaz|estado|stato|perch|attes|decis"
        r"|wacht|waarom|beslis|dlaczego|czeka|decyzj"
    ),
    "payment": (
        r"pay|paid|payout|money|how much|reimburs|refund|transfer|account|geld|zahl|überw|konto"
        r"|erstatt|wie ?viel|argent|pai?e|vers|combien|rembours|compte|dinero|pag|cuánto|cuanto"
        r"|reembols|soldi|denaro|quanto|rimbors|betaal|hoeveel|pieni|ile\b|wypła|zapła"
    ),
    "next": (
        r"next|when|how long|how soon|what (?:do|should|must|can) (?:i|you)|need|missing|send|deadline|until|wann"
        r"|wie lange|brauch|fehlt|nächst|schicken|quand|combien de temps|besoin|manque|envoyer|cuándo|cuando"
        r"|cuánto tiempo|necesit|falta|enviar|quando|bisogno|manca|wanneer|hoe lang|nodig|kiedy|jak długo|potrzeb"
    ),
    "history": (
        r"what happened|has happened|history|so far|what (?:did|have) you (?:do|done)|steps?\b|timeline|log\b|journal"
        r"|passiert|bisher|verlauf|passé jusqu|jusqu'ici|historique|hasta ahora|historial|finora|tot nu toe|dotąd"
    ),
}
TOPICS = tuple(_TOPICS)
_ABOUT = {topic: re.compile(rf"(?<!\w)(?:{words})", re.IGNORECASE) for topic, words in _TOPICS.items()}


def topics_of(question: str) -> frozenset[str]:
    """What the question is about of what only the record may say: standing, payment, next, history."""
    return frozenset(topic for topic, words in _ABOUT.items() if words.search(question))


def is_quotable(text: str) -> bool:
    """Whether words of somebody else may stand in an answer of ours without being taken for one."""
    return not STATUS.search(text) and not LINK.search(text)
