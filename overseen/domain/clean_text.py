"""Characters that deceive: what steers the direction of writing, cannot be seen or drives a terminal is taken out."""

import re
import unicodedata
from dataclasses import dataclass

_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|\u2028|\u2029|\x85")


@dataclass(frozen=True, kw_only=True)
class CleanedText:
    """Text without deceptive characters, and how many of each kind there were."""

    text: str
    control_characters: int = 0
    direction_overrides: int = 0
    invisible_characters: int = 0

    @property
    def removed(self) -> int:
        """How many characters were taken out."""
        return self.control_characters + self.direction_overrides + self.invisible_characters


def clean_text(text: str) -> CleanedText:
    """`text` composed (NFC), with line feeds as line ends, without control, direction and invisible characters."""
    text = _LINE_ENDS.sub("\n", text)
    text, direction = _DIRECTION.subn("", text)
    text, invisible = _INVISIBLE.subn("", text)
    text, control = _CONTROL.subn("", text)
    return CleanedText(
        text=unicodedata.normalize("NFC", text),
        control_characters=control,
        direction_overrides=direction,
        invisible_characters=invisible,
    )


def clean_line(text: str) -> str:
    """`text` cleaned and on one line, with single spaces."""
    return " ".join(clean_text(text).text.split())


def cut_text(text: str, most: int) -> str:
    """At most `most` characters of `text`, cut where a reader sees one character end: no half emoji, no lost accent."""
    if len(text) <= most:
        return text
    end = most
    while end > 0 and (_belongs_to_the_one_before(text[end]) or text[end - 1] == _JOINER or _within_flag(text, end)):
        end -= 1
    return text[: end or most]


_JOINER = "\u200d"


def _belongs_to_the_one_before(sign: str) -> bool:
    return sign == _JOINER or "\U0001f3fb" <= sign <= "\U0001f3ff" or unicodedata.category(sign) in ("Mn", "Me", "Mc")


def _within_flag(text: str, end: int) -> bool:
    """Whether a cut at `end` stands between the two letters that make a flag."""
    letters = 0
    while letters < end and "\U0001f1e6" <= text[end - letters - 1] <= "\U0001f1ff":
        letters += 1
    return letters % 2 == 1 and "\U0001f1e6" <= text[end] <= "\U0001f1ff"
