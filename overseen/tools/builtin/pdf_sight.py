"""What of a PDF page's text can be seen. Imports pypdfium2 and numpy when used.

A page is drawn twice, with its text and without. Letters that are drawn invisibly, too small, off the page or in the
colour of what lies behind them are hidden, and so are words without which the page looks the same: they are covered.
"""

import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image
    from pypdfium2 import PdfPage

INVISIBLE = "drawn invisibly"
TINY = "too small to read"
OUTSIDE = "outside the page"
COLOURLESS = "in the colour of its background"
COVERED = "covered"

_DEPTH = 6
_LEAST_POINTS = 3.0
_LEAST_CONTRAST = 1.25
"""By the formula of WCAG 2: 1 is the same colour, 4.5 is asked for text. Light grey on white has 1.3."""
_LEAST_DIFFERENCE = 16
_FILLED = frozenset({0, 4})
_NOT_DRAWN = frozenset({3, 7})
_GRID = 100_000
_Rectangle = tuple[float, float, float, float]


class Sight:
    """Looks at one page. `shown` is its picture with all text."""

    def __init__(self, page: "PdfPage", text_page: Any, shown: "Image.Image") -> None:
        import numpy

        self._page = page
        self._text_page = text_page
        self._shown = numpy.asarray(shown).astype(numpy.int16)
        self._bare = numpy.asarray(_without_text(page, shown)).astype(numpy.int16)
        self._drawn: dict[int, tuple[int, tuple[int, ...]]] = {}

    def hides(self, index: int) -> str | None:
        """Why the letter at `index` of the text page cannot be seen; None where nothing about itself hides it."""
        left, bottom, right, top = self._text_page.get_charbox(index, loose=True)
        x, y, width, height = self._place((left, bottom, right, top))
        if x >= 1 or y >= 1 or x + width <= 0 or y + height <= 0:
            return OUTSIDE
        drawing = self._drawing(index)
        if drawing is None:
            return None  # put in by the reader, between two lines
        if 0 < max(right - left, top - bottom) < _LEAST_POINTS:
            return TINY
        mode, colour = drawing
        if mode in _NOT_DRAWN or (mode in _FILLED and colour[3] == 0):
            return INVISIBLE
        if mode in _FILLED and _contrast(colour[:3], self._behind((x, y, width, height))) < _LEAST_CONTRAST:
            return COLOURLESS
        return None

    def covers(self, rectangle: _Rectangle) -> bool:
        """Whether the page looks the same there with its text and without: something lies over the words."""
        there = self._pixels(rectangle)
        if there is None:
            return True
        rows, columns = there
        return int(abs(self._shown[rows, columns] - self._bare[rows, columns]).max()) < _LEAST_DIFFERENCE

    def _drawing(self, index: int) -> tuple[int, tuple[int, ...]] | None:
        """How the letter's object is drawn (PDF's text rendering mode), and its colour with its opacity, 0..255."""
        from pypdfium2 import raw

        drawn = raw.FPDFText_GetTextObject(self._text_page.raw, index)
        if not drawn:
            return None
        address = ctypes.cast(drawn, ctypes.c_void_p).value or 0
        if address not in self._drawn:
            colour = [ctypes.c_uint() for _ in range(4)]
            raw.FPDFText_GetFillColor(self._text_page.raw, index, *colour)
            self._drawn[address] = (raw.FPDFTextObj_GetTextRenderMode(drawn), tuple(part.value for part in colour))
        return self._drawn[address]

    def _behind(self, rectangle: _Rectangle) -> tuple[int, ...]:
        """The colour that prevails behind a letter."""
        import numpy

        there = self._pixels(rectangle)
        if there is None:
            return (255, 255, 255)
        rows, columns = there
        return tuple(int(part) for part in numpy.median(self._bare[rows, columns].reshape(-1, 3), axis=0))

    def _pixels(self, rectangle: _Rectangle) -> tuple[slice, slice] | None:
        height, width = self._bare.shape[:2]
        x, y, wide, high = rectangle
        left, top = max(0, int(x * width)), max(0, int(y * height))
        right, bottom = min(width, int((x + wide) * width) + 1), min(height, int((y + high) * height) + 1)
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None

    def _place(self, box: _Rectangle) -> _Rectangle:
        left, bottom, right, top = box
        (one_x, one_y), (other_x, other_y) = shown_at(self._page, left, bottom), shown_at(self._page, right, top)
        return min(one_x, other_x), min(one_y, other_y), abs(one_x - other_x), abs(one_y - other_y)


def shown_at(page: "PdfPage", x: float, y: float) -> tuple[float, float]:
    """A point of the page in fractions of the page as it is shown, rotation and crop included."""
    from pypdfium2 import raw

    shown_x, shown_y = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page.raw, 0, 0, _GRID, _GRID, 0, x, y, shown_x, shown_y)
    return shown_x.value / _GRID, shown_y.value / _GRID


def picture_coverage(page: "PdfPage") -> float:
    """How much of the page its largest picture covers, 0..1."""
    from pypdfium2 import raw

    width, height = page.get_size()
    largest = 0.0
    for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=_DEPTH):
        left, bottom, right, top = picture.get_bounds()
        largest = max(largest, (right - left) * (top - bottom))
    return min(1.0, largest / max(1.0, width * height))


def _without_text(page: "PdfPage", shown: "Image.Image") -> "Image.Image":
    """The page as it would be drawn without a letter, of the size of `shown`."""
    from pypdfium2 import raw

    texts = list(page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT], max_depth=_DEPTH))
    for text in texts:
        raw.FPDFPageObj_SetIsActive(text.raw, False)
    try:
        scale = max(shown.size) / max(*page.get_size(), 1.0)
        return page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB").resize(shown.size)
    finally:
        for text in texts:
            raw.FPDFPageObj_SetIsActive(text.raw, True)


def _contrast(one: "tuple[int, ...]", other: "tuple[int, ...]") -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: "tuple[int, ...]") -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
