"""PDFs: the text layer where there is one, else the picture of the page is read. Imports pypdfium2 when used."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from overseen.domain.content_kinds import is_truncated_pdf
from overseen.tools.builtin.page_text import DocumentText, Rectangle
from overseen.tools.builtin.pdf_sight import COVERED, INVISIBLE, Sight, picture_coverage, shown_at
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
"""A page with less text to be seen than this and a picture on it is a scan, perhaps with a stamped page number."""
_HYPHEN = 0x02
_STAMP_CHARACTERS = 200
_SCAN_COVERAGE = 0.6
"""A picture that covers more of the page than this, under fewer letters than a letter has, is a scan with a stamp."""
MOST_HIDDEN = 40
LONGEST_HIDDEN = 2_000


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
        "hidden": reading.hidden,
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
        self.hidden: list[dict[str, Any]] = []
        self.scanned = 0
        self._context = context
        self._reader: PictureReader | None = None

    def page(self, page: "PdfPage") -> None:
        """Read one page and keep a picture of it."""
        width, height = page.get_size()
        entry = self.document.start_page(width=width, height=height)
        pictures = _check_pictures(page)
        text_page = page.get_textpage()
        check_length(self.document.length + text_page.count_chars())
        shown = _render(page, LONGEST_SIDE)
        words = list(_words_of(page, text_page, shown)) if text_page.count_chars() else []
        seen = sum(len(word.text) for word in words if word.hidden is None)
        is_scan = seen < _FEWEST_CHARACTERS or (seen < _STAMP_CHARACTERS and picture_coverage(page) >= _SCAN_COVERAGE)
        if pictures and is_scan:
            # What a scanner wrote under its picture is not what is seen: the picture itself is read.
            words = [word for word in words if word.hidden is not None and word.hidden != INVISIBLE]
            entry["read_by"] = "ocr"
            shown = self._read_picture(_render(page, READING_SIDE), entry["number"])
        self._take(words, entry["number"])
        self.document.end_page()
        entry["image"] = f"page-{entry['number']}.jpg"
        self._context.write_file(entry["image"], as_jpeg(shown))
        text_page.close()
        page.close()

    def _take(self, words: "list[_Word]", page: int) -> None:
        """Add the words that can be seen to the document, and keep the others apart, by why they cannot."""
        hidden: dict[str, list[str]] = {}
        for word in words:
            if word.hidden is None:
                if word.text:
                    self.document.add_word(word.text, word.rectangle)
            else:
                hidden.setdefault(word.hidden, []).append(word.text)
            if word.ends_line:
                self.document.end_line()
        for kind, found in hidden.items():
            text = self.document.removed.clean(" ".join(text for text in found if text))[:LONGEST_HIDDEN]
            if text.strip() and len(self.hidden) < MOST_HIDDEN:
                self.hidden.append({"kind": kind, "page": page, "text": text})

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


@dataclass
class _Word:
    """Letters without a space between them, where they stand, and why they cannot be seen, if so.

    An empty word only ends a line.
    """

    text: str
    rectangle: Rectangle
    hidden: str | None = None
    ends_line: bool = False


def _words_of(page: "PdfPage", text_page: Any, shown: "Image.Image") -> Iterator[_Word]:
    """Words of the text layer, in the order of the page's content, each with the box around its letters."""
    from pypdfium2 import raw

    sight = Sight(page, text_page, shown)
    letters = _Letters(page)
    for index in range(text_page.count_chars()):
        code = raw.FPDFText_GetUnicode(text_page.raw, index)
        if code in (0x0A, 0x0D):
            yield from letters.word(sight)
            yield _Word(text="", rectangle=(0, 0, 0, 0), ends_line=True)
            continue
        letter = "-" if code == _HYPHEN else _character(code)
        if letter.isspace():
            yield from letters.word(sight)
            continue
        hidden = sight.hides(index)
        if hidden != letters.hidden:
            yield from letters.word(sight)
        letters.add(letter, text_page.get_charbox(index, loose=True), hidden)
    yield from letters.word(sight)


def _character(code: int) -> str:
    return "\ufffd" if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF or code == 0 else chr(code)


class _Letters:
    """Letters on their way to a word, and the box around them in fractions of the page as it is shown."""

    def __init__(self, page: "PdfPage") -> None:
        self._page = page
        self._text: list[str] = []
        self._corners: list[tuple[float, float]] = []
        self.hidden: str | None = None

    def add(self, letter: str, box: Rectangle, hidden: str | None) -> None:
        """Take in a letter; the loose box is as high as the line, whatever the letter."""
        left, bottom, right, top = box
        self._text.append(letter)
        self._corners += [shown_at(self._page, left, bottom), shown_at(self._page, right, top)]
        self.hidden = hidden

    def word(self, sight: Sight) -> Iterator[_Word]:
        """The word so far, if there is one, and begin anew."""
        if self._text:
            horizontal, vertical = [x for x, _ in self._corners], [y for _, y in self._corners]
            left, top = min(horizontal), min(vertical)
            rectangle = left, top, max(horizontal) - left, max(vertical) - top
            hidden = self.hidden or (COVERED if sight.covers(rectangle) else None)
            yield _Word(text="".join(self._text), rectangle=rectangle, hidden=hidden)
        self._text, self._corners, self.hidden = [], [], None
