"""Papers as bytes: estimates and invoices (PDF with text), letters, scans, receipts. All sums are worked out here."""

import io
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

_FONTS = {
    "Sans": "LiberationSans-Regular.ttf",
    "SansBold": "LiberationSans-Bold.ttf",
    "Serif": "LiberationSerif-Regular.ttf",
    "SerifBold": "LiberationSerif-Bold.ttf",
    "Mono": "LiberationMono-Regular.ttf",
}
_CENT = Decimal("0.01")
_PAGE_WIDTH, _PAGE_HEIGHT = A4
_MARGIN = 56


def _font_file(name: str) -> str:
    return f"/usr/share/fonts/truetype/liberation/{_FONTS[name]}"


def _canvas(out: io.BytesIO, title: str, author: str) -> Canvas:
    for name in _FONTS:
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, _font_file(name)))
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    return canvas


@dataclass(frozen=True, kw_only=True)
class Bill:
    """An estimate, invoice or receipt. `lines` are (what, how many, price of one before VAT)."""

    kind: str
    number: str
    dated: str
    business: str
    address: tuple[str, ...]
    customer: tuple[str, ...]
    lines: tuple[tuple[str, str, str], ...]
    vat_percent: str = "20"
    vat_number: str = ""
    currency: str = "GBP"
    subject: str = ""
    notes: tuple[str, ...] = ()
    small_print: tuple[str, ...] = ()
    colour: str = "#1f3a5f"
    serif: bool = False
    words: tuple[str, ...] = ("Description", "Qty", "Unit price", "Amount", "Subtotal", "VAT", "Total")

    @property
    def subtotal(self) -> Decimal:
        """Sum before VAT."""
        return sum((Decimal(many) * Decimal(price) for _, many, price in self.lines), Decimal(0)).quantize(_CENT)

    @property
    def vat(self) -> Decimal:
        """VAT rounded half up to the cent."""
        return (self.subtotal * Decimal(self.vat_percent) / 100).quantize(_CENT, ROUND_HALF_UP)

    @property
    def total(self) -> Decimal:
        """What is to be paid."""
        return self.subtotal + self.vat

    def money(self, amount: Decimal) -> str:
        """`amount` as the business writes it."""
        if self.currency == "EUR":
            return f"{amount:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".") + " €"
        return f"£{amount:,.2f}"


def bill_pdf(bill: Bill) -> bytes:
    """One page with a text layer."""
    out = io.BytesIO()
    canvas = _canvas(out, f"{bill.kind} {bill.number}", bill.business)
    normal, bold = ("Serif", "SerifBold") if bill.serif else ("Sans", "SansBold")
    right = _PAGE_WIDTH - _MARGIN
    canvas.setFillColor(HexColor(bill.colour))
    canvas.rect(0, _PAGE_HEIGHT - 14, _PAGE_WIDTH, 14, stroke=0, fill=1)
    canvas.setFont(bold, 18)
    canvas.drawString(_MARGIN, _PAGE_HEIGHT - 62, bill.business)
    canvas.setFillColor(HexColor("#222222"))
    y = _write(canvas, (normal, 9), bill.address, (_MARGIN, _PAGE_HEIGHT - 78))
    canvas.setFont(bold, 15)
    canvas.drawRightString(right, _PAGE_HEIGHT - 62, bill.kind.upper())
    canvas.setFont(normal, 9.5)
    canvas.drawRightString(right, _PAGE_HEIGHT - 78, f"No. {bill.number}")
    canvas.drawRightString(right, _PAGE_HEIGHT - 91, f"Date: {bill.dated}")
    if bill.vat_number:
        canvas.drawRightString(right, _PAGE_HEIGHT - 104, f"VAT reg. {bill.vat_number}")
    y = _write(canvas, (normal, 10.5), bill.customer, (_MARGIN, y - 20))
    if bill.subject:
        canvas.setFont(bold, 10.5)
        canvas.drawString(_MARGIN, y - 12, bill.subject)
        y -= 18
    y = _table(canvas, bill, (normal, bold), y - 20)
    canvas.setFillColor(HexColor("#222222"))
    y = _write(canvas, (normal, 9.5), bill.notes, (_MARGIN, y - 26))
    canvas.setFillColor(HexColor("#8a8a8a"))
    _write(canvas, (normal, 5.5), bill.small_print, (_MARGIN, 60))
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _write(canvas: Canvas, font: tuple[str, float], texts: tuple[str, ...], start: tuple[float, float]) -> float:
    """Paragraphs wrapped to the page; returns the height where they end."""
    name, size = font
    x, y = start
    canvas.setFont(name, size)
    for text in texts:
        for line in simpleSplit(text, name, size, _PAGE_WIDTH - 2 * _MARGIN) or [""]:
            canvas.drawString(x, y, line)
            y -= size * 1.35
    return y


def _table(canvas: Canvas, bill: Bill, fonts: tuple[str, str], y: float) -> float:
    normal, bold = fonts
    right = _PAGE_WIDTH - _MARGIN
    columns = (right - 150, right - 75, right)
    canvas.setFillColor(HexColor(bill.colour))
    canvas.setFont(bold, 9.5)
    canvas.drawString(_MARGIN, y, bill.words[0])
    for x, word in zip(columns, bill.words[1:4], strict=True):
        canvas.drawRightString(x, y, word)
    canvas.setStrokeColor(HexColor(bill.colour))
    canvas.line(_MARGIN, y - 5, right, y - 5)
    canvas.setFillColor(HexColor("#222222"))
    canvas.setFont(normal, 10)
    for what, many, price in bill.lines:
        y -= 19
        canvas.drawString(_MARGIN, y, what)
        values = (many, bill.money(Decimal(price)), bill.money((Decimal(many) * Decimal(price)).quantize(_CENT)))
        for x, value in zip(columns, values, strict=True):
            canvas.drawRightString(x, y, value)
    canvas.line(_MARGIN, y - 8, right, y - 8)
    y -= 8
    sums: list[tuple[str, Decimal]] = [(bill.words[6], bill.total)]
    if bill.vat_percent != "0":
        sums = [(bill.words[4], bill.subtotal), (f"{bill.words[5]} {bill.vat_percent}%", bill.vat), *sums]
    for label, amount in sums:
        y -= 18
        canvas.setFont(bold if label == bill.words[6] else normal, 10.5)
        canvas.drawRightString(columns[1], y, label)
        canvas.drawRightString(columns[2], y, bill.money(amount))
    return y


def _flowing(text: str) -> tuple[str, ...]:
    """Paragraphs of a text: a line break after a long line was only there for the eye of the writer."""
    lines = text.split("\n")
    joined = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        joined += line + (" " if len(line) > 85 and following else "\n")
    return tuple(joined.rstrip().split("\n"))


def letter_pdf(text: str, author: str) -> bytes:
    """A typed letter with a text layer; blank lines part paragraphs."""
    out = io.BytesIO()
    canvas = _canvas(out, "Letter", author)
    _write(canvas, ("Serif", 11.5), _flowing(text), (_MARGIN, _PAGE_HEIGHT - 80))
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def scanned_pdf(text: str, seed: int, tilt: float = 1.2) -> bytes:
    """A letter that went through a flatbed scanner: a picture only, tilted, uneven and noisy."""
    random = np.random.default_rng(seed)
    width, height = 1240, 1754
    page = Image.new("L", (width, height), 246)
    draw = ImageDraw.Draw(page)
    font = ImageFont.truetype(_font_file("Mono"), 25)
    y = 150
    for paragraph in _flowing(text):
        for line in simpleSplit(paragraph, "Mono", 25, width - 250) or [""]:
            draw.text((130 + random.integers(-1, 2), y), line, font=font, fill=int(random.integers(28, 62)))
            y += 36
    page = page.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=232)
    pixels = np.asarray(page, np.float32)
    shade = np.linspace(-9, 5, width)[None, :] + np.linspace(4, -8, height)[:, None]
    fold = -16 * np.exp(-((np.arange(height)[:, None] - 870) ** 2) / 60)
    pixels = pixels + shade + fold + random.normal(0, 6, pixels.shape)
    for _ in range(70):
        top, left = random.integers(0, height - 4), random.integers(0, width - 4)
        pixels[top : top + random.integers(1, 4), left : left + random.integers(1, 4)] -= 90
    scan = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(scan, "JPEG", quality=42, optimize=True)
    out = io.BytesIO()
    canvas = _canvas(out, "Scan", "Scanner")
    canvas.drawImage(ImageReader(io.BytesIO(scan.getvalue())), 0, 0, _PAGE_WIDTH, _PAGE_HEIGHT)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def till_receipt(bill: Bill, seed: int) -> bytes:
    """A photographed till receipt as PNG: thin paper, grey print, slightly askew on a dark desk."""
    random = np.random.default_rng(seed)
    font = ImageFont.truetype(_font_file("Mono"), 23)
    rows = [bill.business, *bill.address, "-" * 34, f"{bill.kind} {bill.number}", bill.dated, "-" * 34]
    for what, many, price in bill.lines:
        amount = bill.money(
            (Decimal(many) * Decimal(price) * (1 + Decimal(bill.vat_percent) / 100)).quantize(_CENT, ROUND_HALF_UP)
        )
        rows += [what[:34], f"{many} x".ljust(34 - len(amount)) + amount]
    total, vat = bill.money(bill.total), bill.money(bill.vat)
    rows += [
        "-" * 34,
        "TOTAL".ljust(34 - len(total)) + total,
        f"incl. VAT {bill.vat_percent}%".ljust(34 - len(vat)) + vat,
    ]
    rows += ["", *bill.notes]
    paper = Image.new("L", (540, 60 + 31 * len(rows)), 238)
    draw = ImageDraw.Draw(paper)
    for place, row in enumerate(rows):
        draw.text((32, 28 + 31 * place), row, font=font, fill=int(random.integers(48, 78)))
    desk = Image.new("L", (640, paper.height + 90), 62)
    mask = Image.new("L", paper.size, 255)
    tilt = float(random.uniform(-1.4, 1.4))
    desk.paste(paper.rotate(tilt, Image.Resampling.BICUBIC, expand=True), (46, 40), mask.rotate(tilt, expand=True))
    pixels = np.asarray(desk, np.float32)
    light = 1.04 - 0.12 * np.linspace(0, 1, desk.width)[None, :] * np.linspace(0.3, 1, desk.height)[:, None]
    pixels = pixels * light + random.normal(0, 3.0, pixels.shape)
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).quantize(24).save(out, "PNG", optimize=True)
    return out.getvalue()
