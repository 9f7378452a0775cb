"""How HTML is styled, as far as it decides whether words can be seen. Standard library only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

Colour = tuple[int, int, int]

INVISIBLE = "styled to be invisible"
TINY = "too small to read"
OUTSIDE = "outside the page"
COLOURLESS = "in the colour of its background"

_USUAL_SIZE = 16.0
_LEAST_SIZE = 3.0
_FAR = 500.0
_LEAST_CONTRAST = 1.25
"""As for PDFs: 1 is the same colour; light grey on white has 1.3."""
_NAMED: Mapping[str, Colour] = {
    "white": (255, 255, 255), "snow": (255, 250, 250), "ivory": (255, 255, 240), "whitesmoke": (245, 245, 245),
    "ghostwhite": (248, 248, 255), "floralwhite": (255, 250, 240), "black": (0, 0, 0), "red": (255, 0, 0),
    "green": (0, 128, 0), "blue": (0, 0, 255), "gray": (128, 128, 128), "grey": (128, 128, 128),
    "yellow": (255, 255, 0), "silver": (192, 192, 192), "navy": (0, 0, 128),
    "lightgray": (211, 211, 211), "lightgrey": (211, 211, 211),
}  # fmt: skip
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NARROW = re.compile(r"@media[^{]*(?:max-(?:device-)?width|print)[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", re.IGNORECASE)
_AT_RULE = re.compile(r"@(?:media|supports)[^{]*\{", re.IGNORECASE)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE = re.compile(r"[.#]?[\w-]+")
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|pt|em|rem|%|ex|cm|mm|in|vw|vh)?")
_POINTS = {"pt": 4 / 3, "cm": 37.8, "mm": 3.78, "in": 96.0, "rem": 16.0}
_SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How words look inside an element. `hidden` says why nothing in it is seen; `size` is in CSS pixels."""

    hidden: str | None = None
    unseen: bool = False
    size: float = _USUAL_SIZE
    colour: Colour | None = (0, 0, 0)
    background: Colour = (255, 255, 255)

    def hides(self) -> str | None:
        """Why words directly in the element cannot be seen; None when they can."""
        if self.hidden or self.unseen:
            return self.hidden or INVISIBLE
        if self.size < _LEAST_SIZE:
            return TINY
        if self.colour is None or _contrast(self.colour, self.background) < _LEAST_CONTRAST:
            return COLOURLESS
        return None

    def inside(self, style: Mapping[str, str]) -> "Look":
        """The look in an element with this style."""
        look = replace(self, hidden=self.hidden or _hidden(style))
        if visibility := style.get("visibility"):
            look = replace(look, unseen=visibility in ("hidden", "collapse"))
        if size := style.get("font-size"):
            look = replace(look, size=_size(size, self.size))
        if colour := style.get("color"):
            look = replace(look, colour=_colour(colour, self.colour))
        for name in ("background-color", "background"):
            if background := style.get(name):
                look = replace(look, background=_colour(background, self.background) or self.background)
        return look


class StyleSheet:
    """The rules of a page's style elements. Only the last part of a selector counts, so rules may hide too much."""

    def __init__(self, text: str) -> None:
        plain = _AT_RULE.sub("", _NARROW.sub("", _COMMENT.sub("", text)))
        self._rules = [
            (selector.strip().split()[-1], declarations(body))
            for selectors, body in _RULE.findall(plain)
            for selector in selectors.split(",")
            if selector.strip() and ":" not in selector
        ]

    def style(self, tag: str, attributes: Mapping[str, str | None]) -> dict[str, str]:
        """The declarations for an element: of the sheet, then of its attributes, then its own."""
        names = {
            tag,
            f"#{attributes.get('id') or ''}",
            *(f".{name}" for name in (attributes.get("class") or "").split()),
        }
        style: dict[str, str] = {}
        for selector, declared in self._rules:
            parts = _SIMPLE.findall(selector.rpartition(">")[2])
            if parts and all(part in names for part in parts):
                style |= declared
        for attribute, name in (("bgcolor", "background-color"), ("color", "color"), ("text", "color")):
            if value := attributes.get(attribute):
                style[name] = value.strip().lower()
        if "hidden" in attributes:
            style["display"] = "none"
        return style | declarations(attributes.get("style") or "")


def declarations(text: str) -> dict[str, str]:
    """`a: b; c: d` as a mapping in lower case, without !important."""
    found: dict[str, str] = {}
    for part in text.lower().replace("!important", "").split(";"):
        name, _, value = part.partition(":")
        if value.strip():
            found[name.strip()] = " ".join(value.split())
    return found


def _hidden(style: Mapping[str, str]) -> str | None:
    opacity = _number(style.get("opacity"))
    if style.get("display") == "none" or (opacity is not None and opacity < 0.05):
        return INVISIBLE
    if style.get("overflow", "").startswith(("hidden", "clip")) and any(
        _number(style.get(name)) == 0 for name in ("height", "max-height", "width", "max-width")
    ):
        return INVISIBLE
    if re.match(r"rect\(\s*(?:0|1)(?:px)?[ ,]+(?:0|1)(?:px)?", style.get("clip", "")):
        return INVISIBLE
    moved = [_number(style.get(name)) for name in ("left", "top", "right", "bottom", "text-indent", "margin-left")]
    return OUTSIDE if any(value is not None and value <= -_FAR for value in moved) else None


def _number(value: str | None) -> float | None:
    match = _LENGTH.match(value or "")
    return float(match[1]) if match else None


def _size(value: str, around: float) -> float:
    if value in _SIZES:
        return _SIZES[value]
    match = _LENGTH.match(value)
    if match is None:
        return around
    number, unit = float(match[1]), match[2] or "px"
    if unit in ("em", "%"):
        return around * (number if unit == "em" else number / 100)
    return number * _POINTS.get(unit, 1.0)


def _colour(value: str, otherwise: Colour | None) -> Colour | None:
    """The colour a value begins with; None for one that shows nothing."""
    if match := re.search(r"#([0-9a-f]{6}|[0-9a-f]{3})\b", value):
        digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if match := re.search(r"rgba?\(\s*(\d+)[ ,]+(\d+)[ ,]+(\d+)(?:[ ,/]+([\d.]+))?", value):
        if match[4] is not None and float(match[4]) < 0.05:
            return None
        return min(255, int(match[1])), min(255, int(match[2])), min(255, int(match[3]))
    if "transparent" in value:
        return None
    return next((_NAMED[word] for word in value.split() if word in _NAMED), otherwise)


def _contrast(one: Colour, other: Colour) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
