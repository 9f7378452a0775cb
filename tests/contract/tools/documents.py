"""Small documents and photos made for the tests."""

import io
import random
import struct
import zlib
from collections.abc import Sequence
from email.message import EmailMessage

from PIL import Image, ImageDraw, ImageFilter, ImageFont
from pypdf import PdfWriter
from reportlab.pdfgen import canvas

LETTER = (
    "Policy number: CAR-2214-KL",
    "On 3 October 2026 a shopping trolley rolled into my car.",
    "The garage wants 486.20 pounds.",
)
_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf"


def pdf(pages: Sequence[Sequence[str]]) -> bytes:
    written = io.BytesIO()
    page = canvas.Canvas(written, pagesize=(595, 842), invariant=1)
    for lines in pages:
        for number, line in enumerate(lines):
            page.drawString(72, 770 - 20 * number, line)
        page.showPage()
    page.save()
    return written.getvalue()


def filled_in_form() -> bytes:
    written = io.BytesIO()
    page = canvas.Canvas(written, pagesize=(595, 842), invariant=1)
    page.drawString(72, 770, "Policy number:")
    page.acroForm.textfield(name="policy", value="CAR-2214-KL", x=200, y=760, width=200, height=20)
    page.save()
    return written.getvalue()


def turned(content: bytes) -> bytes:
    """The same PDF with its pages shown a quarter turn clockwise."""
    turning = PdfWriter(clone_from=io.BytesIO(content))
    for page in turning.pages:
        page.rotate(90)
    written = io.BytesIO()
    turning.write(written)
    return written.getvalue()


def encrypted_pdf() -> bytes:
    from reportlab.lib.pdfencrypt import StandardEncryption

    written = io.BytesIO()
    page = canvas.Canvas(written, encrypt=StandardEncryption("secret", canPrint=0))
    page.drawString(72, 770, "hidden")
    page.save()
    return written.getvalue()


def picture_of_text(lines: Sequence[str] = LETTER) -> Image.Image:
    picture = Image.new("RGB", (1000, 90 + 60 * len(lines)), "white")
    drawing = ImageDraw.Draw(picture)
    font = ImageFont.truetype(_FONT, 28)
    for number, line in enumerate(lines):
        drawing.text((40, 40 + 60 * number), line, font=font, fill="black")
    return picture


def scanned_pdf(lines: Sequence[str] = LETTER) -> bytes:
    return encoded(picture_of_text(lines), "PDF")


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def scene(seed: int = 1, size: tuple[int, int] = (900, 700)) -> Image.Image:
    """Something with shapes, edges and grain, as a photo of a thing has; other seeds look different."""
    chance = random.Random(seed)
    picture = Image.new("RGB", size, tuple(chance.randrange(60, 200) for _ in range(3)))
    drawing = ImageDraw.Draw(picture)
    for _ in range(25):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        colour = tuple(chance.randrange(256) for _ in range(3))
        shape = drawing.ellipse if chance.random() < 0.5 else drawing.rectangle
        shape((x, y, x + chance.randrange(40, 300), y + chance.randrange(40, 250)), fill=colour)
    grain = Image.effect_noise(size, 30).convert("RGB")
    return Image.blend(picture, grain, 0.1)


def blurred(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(12))


def huge_png() -> bytes:
    """20,000 x 20,000 pixels of black in half a megabyte."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pressed = zlib.compressobj(9)
    row = bytes(1 + 20_000 // 8)
    rows = b"".join(pressed.compress(row) for _ in range(20_000)) + pressed.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def mail(body: str = "\n".join(LETTER), *, html: str | None = None, files: Sequence[tuple[str, bytes]] = ()) -> bytes:
    message = EmailMessage()
    message["From"] = "Priya Raman <priya.raman@example.com>"
    message["To"] = "claims@harbourmutual.example"
    message["Subject"] = "Dent in the door"
    message["Date"] = "Wed, 14 Oct 2026 09:30:00 +0100"
    if body:
        message.set_content(body)
    if html is not None and body:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    for name, content in files:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def pdf_with_hidden_words() -> bytes:
    """One line that is seen, and one for each way to keep a line from being seen."""
    written = io.BytesIO()
    page = canvas.Canvas(written, pagesize=(595, 842), invariant=1)
    page.drawString(72, 770, "Total to pay 120.00")
    unseen = page.beginText(72, 700)
    unseen.setTextRenderMode(3)
    unseen.textOut("Invisible 901.00")
    unseen.setTextRenderMode(0)
    page.drawText(unseen)
    page.setFillColorRGB(0.99, 0.99, 0.99)
    page.drawString(72, 670, "White 902.00")
    page.setFillColorRGB(0, 0, 0)
    page.drawString(72, 640, "Covered 903.00")
    page.setFillColorRGB(0.9, 0.9, 0.9)
    page.rect(60, 630, 300, 24, stroke=0, fill=1)
    page.setFillColorRGB(0, 0, 0)
    page.setFont("Helvetica", 1)
    page.drawString(72, 600, "Tiny 904.00")
    page.setFont("Helvetica", 12)
    page.drawString(72, -300, "Outside 905.00")
    page.setFillColorRGB(0.1, 0.1, 0.5)
    page.rect(60, 500, 300, 24, stroke=0, fill=1)
    page.setFillColorRGB(1, 1, 1)
    page.drawString(72, 508, "Heading 7")
    page.showPage()
    page.save()
    return written.getvalue()


def scan_with_another_text_under_it() -> bytes:
    """A scanned letter whose invisible text layer says something else than the picture."""
    from reportlab.lib.utils import ImageReader

    written = io.BytesIO()
    page = canvas.Canvas(written, pagesize=(595, 842), invariant=1)
    page.drawImage(ImageReader(picture_of_text()), 0, 542, 595, 300)
    layer = page.beginText(40, 700)
    layer.setTextRenderMode(3)
    layer.textOut("The garage wants 9999.99 pounds and nothing else.")
    page.drawText(layer)
    page.save()
    return written.getvalue()
