"""Text in the form in which tricks with characters cannot hide words: for matching only, never shown or stored."""

import re
import unicodedata

_TAGS = re.compile("[\U000e0020-\U000e007e]")
"""Copies of ASCII that no program shows."""
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
# Letters of other scripts that are drawn like Latin ones; those that NFKC folds are not listed.
_ALIKE = str.maketrans(
    "АВЕЅЗІЈКМНОРСТУХҮҺԌԚԜԁаӓвгеѕіјкӏмнорстухүһԛԝԍѐёїѵґѓ"
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγεικνορτυχϲϳωη"
    "ꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓣꓢꓔꓴꓦꓪꓫꓬꓜ"
    "ɑɡɩıȷʀᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢ",
    "ABES3IJKMHOPCTYXYhGQWdaabreSijklmhopctyxyhqwgeeivrr"
    "ABEZHIKMNOPTYXayeikvoptuxcjwn"
    "ABCDEFGHIJKLMNOPRSTUVWXYZ"
    "agiijracdejkmoptuvwz",
)


def folded(text: str) -> str:
    """`text` in compatibility form, with look-alike letters as Latin ones, without accents and unseen characters."""
    told = _TAGS.sub(lambda match: chr(ord(match.group()) - 0xE0000), text)
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", told)).translate(_ALIKE)
    apart = unicodedata.normalize("NFD", plain)
    return "".join(character for character in apart if not unicodedata.combining(character))


def unseen_characters(text: str) -> int:
    """How many characters of `text` no program shows."""
    return len(_UNSEEN.findall(text))
