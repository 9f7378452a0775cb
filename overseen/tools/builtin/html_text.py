"""The text a person would see in an HTML mail. Standard library only."""

import re
from html.parser import HTMLParser

_HIDDEN = frozenset({"script", "style", "head", "title", "template", "noscript", "svg"})
_BLOCKS = frozenset({"p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr"})
_VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "col", "area", "base", "wbr", "source"})
_INVISIBLE_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])", re.I
)


class _Reader(HTMLParser):
    """Collects visible text. What is styled to be invisible is left out: a person would not have read it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden_by: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")
        if tag in ("td", "th"):
            self.pieces.append(" ")
        if tag in _VOID:
            return
        given = dict(attrs)
        invisible = "hidden" in given or _INVISIBLE_STYLE.search(given.get("style") or "")
        if self._hidden_by or tag in _HIDDEN or invisible:
            self._hidden_by.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden_by:
            while self._hidden_by and self._hidden_by.pop() != tag:
                pass
        if tag in ("p", "div", "tr", "table"):
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden_by:
            self.pieces.append(re.sub(r"\s+", " ", data))


def html_text(html: str) -> str:
    """The visible text of `html`, a line a block, at most one empty line in a row."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (line.strip() for line in "".join(reader.pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
