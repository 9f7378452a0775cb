"""The text a person would see in an HTML mail, and the words in it that nobody sees. Standard library only."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from overseen.tools.builtin.html_styles import Look, StyleSheet

_NO_TEXT = frozenset({"script", "style", "head", "title", "template", "noscript", "svg"})
_IN_HEAD = frozenset({"title", "meta", "link", "base", "style", "script", "noscript", "template"})
_BLOCKS = frozenset({"p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr"})
_VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "col", "area", "base", "wbr", "source"})
_ENDS = {"li": {"li"}, "tr": {"tr", "td", "th"}, "td": {"td", "th"}, "th": {"td", "th"}}
"""Elements whose end tag may be left out: a start tag on the left ends an open one on the right."""


@dataclass(frozen=True, kw_only=True)
class HtmlText:
    """`text` is what is seen, a line a block; `hidden` are (kind, words) of what is not."""

    text: str
    hidden: tuple[tuple[str, str], ...]


class _Styles(HTMLParser):
    """Collects what stands in style elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._inside = tag == "style"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.pieces.append(data)


class _Reader(HTMLParser):
    """Collects text by whether it is seen. What is styled to be invisible, a person would not have read."""

    def __init__(self, sheet: StyleSheet) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.hidden: dict[str, list[str]] = {}
        self._sheet = sheet
        self._open: list[tuple[str, Look]] = []

    @property
    def _look(self) -> Look:
        return self._open[-1][1] if self._open else Look()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end_what_ends_before(tag)
        if tag in _BLOCKS:
            self.pieces.append("\n")
        if tag in ("td", "th"):
            self.pieces.append(" ")
        if tag not in _VOID:
            self._open.append((tag, self._look.inside(self._sheet.style(tag, dict(attrs)))))

    def handle_endtag(self, tag: str) -> None:
        self._end({tag}, within=frozenset())
        if tag in ("p", "div", "tr", "table"):
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if any(tag in _NO_TEXT for tag, _ in self._open):
            return
        words = re.sub(r"\s+", " ", data)
        kind = self._look.hides()
        if kind is None:
            self.pieces.append(words)
        elif words.strip():
            self.hidden.setdefault(kind, []).append(words.strip())

    def _end_what_ends_before(self, tag: str) -> None:
        if tag not in _IN_HEAD and tag != "head":
            self._end({"head"}, within=frozenset())
        if tag in _BLOCKS and tag != "br":
            self._end({"p"}, within=frozenset({"td", "th", "div", "table", "li"}))
        if tag in _ENDS:
            self._end(_ENDS[tag], within=frozenset({"table", "ul", "ol"}))

    def _end(self, tags: set[str], within: frozenset[str]) -> None:
        """End the innermost open element of these tags with all inside it, unless one of `within` lies between."""
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] in tags:
                del self._open[place:]
                return
            if self._open[place][0] in within:
                return


def html_text(html: str) -> HtmlText:
    """What is seen of `html`, at most one empty line in a row, and what is not."""
    styles = _Styles()
    styles.feed(html)
    styles.close()
    reader = _Reader(StyleSheet("\n".join(styles.pieces)))
    reader.feed(html)
    reader.close()
    lines = (line.strip() for line in "".join(reader.pieces).split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return HtmlText(text=text, hidden=tuple((kind, " ".join(words)) for kind, words in reader.hidden.items()))
