"""PDFs: the text layer where there is one, else the picture of the page is read. Imports pypdfium2 when used."""

import ctypes
from typing import TYPE_CHECKING, Any

from overseen.domain.content_kinds import is_truncated_pdf
from overseen.tools.builtin.page_text import DocumentText, Rectangle
from overseen.tools.builtin.pictures import LONGEST_SIDE, as_jpeg, check_pixels
from overseen.tools.builtin.read_picture import READING_SIDE, PictureReader
from overseen.tools.builtin.read_text import check_length
from overseen.tools.builtin.refusals import DocumentRefused
from overseen.tools.sandbox.context import ToolContext

if TYPE_CHECKING:
    from PIL import Image
    from pypdfium2 import PdfDocument, PdfPage

MOST_PAGES = 40
MOST_SCANNED_PAGES = 8
"""Reading a picture takes seconds a page; a longer scan is not one letter."""
_PASSWORD_ERRORS = frozenset({4, 5})
_FEWEST_CHARACTERS = 12
"""A page with less text than this and a picture on it is a scan, perhaps with a stamped page number."""
_HYPHEN = 0x02
_GRID = 100_000


def read_pdf(content: bytes, context: ToolContext) -> dict[str, Any]:
    """Text, words with boxes and a picture of every page. Raises DocumentRefused when it cannot or must not be read."""
    with _opened(content) as document:
        pages = len(document)
        if pages > MOST_PAGES:
            raise DocumentRefused("too_many_pages", f"The PDF has {pages:,} pages; {MOST_PAGES} is the most.")
        document.init_forms()
        reading = _Reading(context)
        for number in range(pages):
            reading.page(_page(document, number))
        metadata = document.get_metadata_dict(skip_empty=True)
    removed = reading.document.removed
    result = {
        "kind": "scan" if reading.scanned and reading.scanned == pages else "pdf",
        "text": reading.document.text,
        "pages": reading.document.pages,
        "problems": reading.problems,
        "metadata": {key.lower(): removed.clean(str(value)) for key, value in metadata.items()},
    }
    return {**result, "removed": removed.as_dict()}


def _opened(content: bytes) -> "PdfDocument":
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        return PdfDocument(content)
    except PdfiumError as error:
        if getattr(error, "err_code", None) in _PASSWORD_ERRORS:
            raise DocumentRefused(
                "encrypted", "The PDF is protected with a password. Send a copy without protection."
            ) from error
        if is_truncated_pdf(content):
            raise DocumentRefused("truncated", "The PDF is cut off: its end is missing.") from error
        raise DocumentRefused("damaged", "The PDF is damaged and cannot be opened.") from error


def _page(document: "PdfDocument", number: int) -> "PdfPage":
    """The page with what was filled in and noted on it as part of its text: a person sees no difference."""
    from pypdfium2 import PdfiumError, raw

    try:
        page = document[number]
        if raw.FPDFPage_Flatten(page.raw, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS:
            page.close()
            page = document[number]
    except PdfiumError as error:
        raise DocumentRefused("damaged", f"Page {number + 1} of the PDF is damaged.") from error
    return page


class _Reading:
    """One PDF being read, page by page."""

    def __init__(self, context: ToolContext) -> None:
        self.document = DocumentText()
        self.problems: list[dict[str, str]] = []
        self.scanned = 0
        self._context = context
        self._reader: PictureReader | None = None

    def page(self, page: "PdfPage") -> None:
        """Read one page and keep a picture of it."""
        width, height = page.get_size()
        entry = self.document.start_page(width=width, height=height)
        pictures = _check_pictures(page)
        text_page = page.get_textpage()
        characters = text_page.count_chars()
        check_length(self.document.length + characters)
        if pictures and characters < _FEWEST_CHARACTERS:
            entry["read_by"] = "ocr"
            shown = self._read_picture(_render(page, READING_SIDE), entry["number"])
        else:
            _read_layer(self.document, page, text_page)
            shown = _render(page, LONGEST_SIDE)
        self.document.end_page()
        entry["image"] = f"page-{entry['number']}.jpg"
        self._context.write_file(entry["image"], as_jpeg(shown))
        text_page.close()
        page.close()

    def _read_picture(self, picture: "Image.Image", number: int) -> "Image.Image":
        self.scanned += 1
        if self.scanned > MOST_SCANNED_PAGES:
            self.problems.append(
                {
                    "code": "page_not_read",
                    "message": f"Page {number} is a scan and was not read; {MOST_SCANNED_PAGES} is the most.",
                }
            )
            return picture
        if self._reader is None:
            self._reader = PictureReader()
        self._reader.read_into(self.document, picture)
        return picture


def _check_pictures(page: "PdfPage") -> int:
    """How many pictures are on the page. Raises DocumentRefused when one would blow up."""
    from pypdfium2 import PdfImage, raw

    count = 0
    for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        if isinstance(picture, PdfImage):
            check_pixels(*picture.get_px_size())
            count += 1
    return count


def _render(page: "PdfPage", longest_side: int) -> "Image.Image":
    longest = max(page.get_size())
    return page.render(scale=longest_side / max(longest, 1.0), may_draw_forms=False).to_pil().convert("RGB")


def _read_layer(document: DocumentText, page: "PdfPage", text_page: Any) -> None:
    """Words of the text layer, in the order of the page's content, each with the box around its letters."""
    from pypdfium2 import raw

    letters: list[str] = []
    around = _Around(page)

    def end_word() -> None:
        if letters:
            document.add_word("".join(letters), around.rectangle())
            letters.clear()
            around.clear()

    for index in range(text_page.count_chars()):
        code = raw.FPDFText_GetUnicode(text_page.raw, index)
        if code in (0x0A, 0x0D):
            end_word()
            document.end_line()
            continue
        letter = "-" if code == _HYPHEN else _character(code)
        if letter.isspace():
            end_word()
            continue
        letters.append(letter)
        around.add(text_page, index)
    end_word()


def _character(code: int) -> str:
    return "\ufffd" if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF or code == 0 else chr(code)


class _Around:
    """The box around some letters of a page, in fractions of the page as it is shown (rotation and crop included)."""

    def __init__(self, page: "PdfPage") -> None:
        self._page = page
        self._corners: list[tuple[float, float]] = []

    def clear(self) -> None:
        """Forget the letters."""
        self._corners.clear()

    def add(self, text_page: Any, index: int) -> None:
        """Take in a letter; the loose box is as high as the line, whatever the letter."""
        left, bottom, right, top = text_page.get_charbox(index, loose=True)
        self._corners += [self._shown(left, bottom), self._shown(right, top)]

    def _shown(self, x: float, y: float) -> tuple[float, float]:
        from pypdfium2 import raw

        shown_x, shown_y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(self._page.raw, 0, 0, _GRID, _GRID, 0, x, y, shown_x, shown_y)
        return shown_x.value / _GRID, shown_y.value / _GRID

    def rectangle(self) -> Rectangle:
        """x, y, width, height."""
        horizontal, vertical = [x for x, _ in self._corners], [y for _, y in self._corners]
        left, top = min(horizontal), min(vertical)
        return left, top, max(horizontal) - left, max(vertical) - top
