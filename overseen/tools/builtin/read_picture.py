"""Reads the text in a picture: a photographed or scanned page. Imports rapidocr when used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from overseen.tools.builtin.page_text import DocumentText, Rectangle
from overseen.tools.builtin.pictures import as_jpeg, decode_picture, open_picture
from overseen.tools.sandbox.context import ToolContext

if TYPE_CHECKING:
    from PIL import Image

THREADS = 1
"""More would be faster only on an idle machine, and spend half as much CPU again in waiting for each other."""
READING_SIDE = 1800
"""Longest side given to the reader, in pixels: small print (8 points) of an A4 page is then 17 pixels high."""
SECOND_SIDE = 1400
"""At some scale the recogniser now and then misses a whole line that it reads without fault at another."""
DOUBTFUL = 0.85
"""Lines surer than this are right; a page with a lesser one is read again, and the better reading taken."""
_LEAST_CONFIDENCE = 0.5


@dataclass(frozen=True, kw_only=True)
class ReadWord:
    """One word in a picture, in pixels of the picture that was read."""

    text: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class ReadLine:
    """Words that were found together, left to right."""

    words: tuple[ReadWord, ...]
    confidence: float = 1.0

    @property
    def top(self) -> float:
        """The mean upper edge: one odd word does not move a line."""
        return sum(word.top for word in self.words) / len(self.words)

    @property
    def bottom(self) -> float:
        """The mean lower edge."""
        return sum(word.bottom for word in self.words) / len(self.words)


class PictureReader:
    """The OCR engine, loaded once a call."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Global.log_level": "critical",
                "Global.return_word_box": True,
                "Global.text_score": _LEAST_CONFIDENCE,
                "Global.max_side_len": READING_SIDE,
            }
        )

    def read_into(self, document: DocumentText, picture: "Image.Image") -> None:
        """Add the words of an upright RGB picture to the present page of `document`."""
        reading = self._read(picture, READING_SIDE)
        if reading.lines and reading.least_confidence < DOUBTFUL:
            reading = max(reading, self._read(picture, SECOND_SIDE), key=lambda one: one.mean_confidence)
        for row in rows_of(reading.lines):
            for word in row:
                document.add_word(word.text, _rectangle(word, reading.size), word.confidence)
            document.end_line()

    def _read(self, picture: "Image.Image", longest_side: int) -> "_Reading":
        import numpy

        small = picture.copy()
        small.thumbnail((longest_side, longest_side))
        # The engine expects blue, green, red.
        pixels = numpy.ascontiguousarray(numpy.asarray(small)[:, :, ::-1])
        return _Reading(lines=_lines(self._engine(pixels)), size=small.size)


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """One look at a page at one scale."""

    lines: list[ReadLine]
    size: tuple[int, int]

    @property
    def least_confidence(self) -> float:
        return min((line.confidence for line in self.lines), default=0.0)

    @property
    def mean_confidence(self) -> float:
        return sum(line.confidence for line in self.lines) / max(len(self.lines), 1)


def _lines(answer: Any) -> list[ReadLine]:
    if not answer.txts:
        return []
    lines: list[ReadLine] = []
    for found, line_score in zip(answer.word_results, answer.scores, strict=False):
        words = tuple(
            ReadWord(
                text=text,
                confidence=float(score),
                left=float(min(x for x, _ in box)),
                top=float(min(y for _, y in box)),
                right=float(max(x for x, _ in box)),
                bottom=float(max(y for _, y in box)),
            )
            for text, score, box in found
            if text.strip() and box is not None
        )
        if words:
            lines.append(ReadLine(words=words, confidence=float(line_score)))
    return lines


def rows_of(lines: list[ReadLine]) -> list[list[ReadWord]]:
    """Lines that stand beside each other (the cells of a table row) as one row, rows from top to bottom."""
    rows: list[list[ReadLine]] = []
    for line in sorted(lines, key=lambda item: item.top + item.bottom):
        centre = (line.top + line.bottom) / 2
        last = rows[-1][-1] if rows else None
        if last is not None and last.top <= centre <= last.bottom and not _overlap(rows[-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [[word for line in sorted(row, key=lambda item: item.words[0].left) for word in line.words] for row in rows]


def _overlap(row: list[ReadLine], line: ReadLine) -> bool:
    left, right = line.words[0].left, line.words[-1].right
    return any(left < other.words[-1].right and other.words[0].left < right for other in row)


def _rectangle(word: ReadWord, size: tuple[int, int]) -> Rectangle:
    width, height = size
    return (
        word.left / width,
        word.top / height,
        (word.right - word.left) / width,
        (word.bottom - word.top) / height,
    )


def read_picture(content: bytes, context: ToolContext) -> dict[str, Any]:
    """The text in a picture, with a box for each word. Raises DocumentRefused when it cannot be opened."""
    picture = decode_picture(open_picture(content))
    document = DocumentText()
    page = document.start_page(width=picture.width, height=picture.height)
    page["read_by"] = "ocr"
    PictureReader().read_into(document, picture)
    document.end_page()
    page["image"] = "page-1.jpg"
    context.write_file("page-1.jpg", as_jpeg(picture))
    return {
        "kind": "image",
        "text": document.text,
        "pages": document.pages,
        "removed": document.removed.as_dict(),
    }
