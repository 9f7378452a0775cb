"""Opens pictures without being blown up by them. Imports Pillow when used."""

import io
import warnings
from typing import TYPE_CHECKING

from overseen.domain.content_kinds import image_size
from overseen.domain.intake import MOST_PIXELS
from overseen.tools.builtin.refusals import DocumentRefused

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE = 1600
"""Of the pictures that people are shown, in pixels."""


def check_pixels(width: int, height: int) -> None:
    """Raises DocumentRefused for more pixels than are ever decoded."""
    if width * height > MOST_PIXELS:
        raise DocumentRefused(
            "too_many_pixels",
            f"The picture has {width:,} x {height:,} pixels; {MOST_PIXELS // 1_000_000} million is the most.",
        )


def open_picture(content: bytes) -> "Image.Image":
    """The picture, header read, nothing decoded yet. Raises DocumentRefused when it is none or is too large."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # Our own limit below is the smaller one and speaks plainly.
    size = image_size(content)
    if size is not None:
        check_pixels(*size)
    try:
        with warnings.catch_warnings(action="ignore"):
            picture = Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DocumentRefused("damaged", "The picture is damaged: its header cannot be read.") from error
    check_pixels(*picture.size)
    return picture


def decode_picture(picture: "Image.Image") -> "Image.Image":
    """The picture decoded, upright, in RGB. Raises DocumentRefused when its content is damaged or cut off."""
    from PIL import ImageFile, ImageOps

    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings(action="ignore"):
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            if upright.mode in ("RGBA", "LA", "P", "PA"):
                # Transparent parts are paper, not the black that lies under them.
                from PIL import Image

                layer = upright.convert("RGBA")
                paper = Image.new("RGBA", layer.size, "white")
                return Image.alpha_composite(paper, layer).convert("RGB")
            return upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
        code = "truncated" if "truncated" in str(error).lower() else "damaged"
        said = "is cut off: a part of it is missing" if code == "truncated" else "is damaged and cannot be shown"
        raise DocumentRefused(code, f"The picture {said}.") from error


def as_jpeg(picture: "Image.Image", *, longest_side: int = LONGEST_SIDE) -> bytes:
    """A JPEG for people to look at, at most `longest_side` pixels, without any metadata."""
    shown = picture.copy()
    shown.thumbnail((longest_side, longest_side))
    shown.info.clear()
    written = io.BytesIO()
    shown.save(written, "JPEG", quality=82, optimize=True)
    return written.getvalue()
