"""The tool `inspect_image`, as it runs inside the sandbox: is this photo usable, when was it taken, what is it like?"""

import math
from typing import TYPE_CHECKING, Any

from overseen.domain.content_kinds import content_type
from overseen.tools.builtin.photo_metadata import photo_metadata
from overseen.tools.builtin.pictures import as_jpeg, decode_picture, open_picture
from overseen.tools.builtin.refusals import DocumentRefused
from overseen.tools.sandbox.context import ToolContext

if TYPE_CHECKING:
    from PIL import Image

MEASURED_SIDE = 1024
"""Sharpness depends on scale, so it is always measured at this longest side, in pixels."""
LEAST_SIDE = 320
"""Shorter pictures show no damage, in pixels."""
LEAST_LOG_SHARPNESS = 3.0
"""Natural log of the variance of the Laplacian: sharp photos of things lie at 4.5 to 8, blurred ones below 2.5."""
MOST_DARK = 0.75
MOST_BRIGHT = 0.75
"""Fraction of pixels below 16, above 239 of 255: hardly anything can be recognised beyond three quarters."""
LEAST_CONTRAST = 8.0
"""Standard deviation of grey values; a lens cap or a white wall lies below."""


def run(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Measure the picture named by the argument `file`; one that cannot be decoded is not usable and says why."""
    content = context.file(arguments["file"])
    answer: dict[str, Any] = {
        "usable": False,
        "problems": [],
        "refused": None,
        "media_type": None,
        "width": None,
        "height": None,
        "quality": None,
        "phash": None,
        "dhash": None,
        "taken_at": None,
        "metadata": {},
        "image": None,
    }
    try:
        return {**answer, **_inspect(content, context)}
    except DocumentRefused as refusal:
        problem = {"code": refusal.code, "message": refusal.message}
        return {**answer, "refused": refusal.as_dict(), "problems": [problem]}


def _inspect(content: bytes, context: ToolContext) -> dict[str, Any]:
    if not content:
        raise DocumentRefused("empty", "The file is empty.")
    found = content_type(content)
    if found is None or not found.startswith("image/"):
        raise DocumentRefused("mislabelled", "The file is not a picture.")
    opened = open_picture(content)
    metadata = photo_metadata(opened)
    picture = decode_picture(opened)
    quality = measure(picture)
    problems = problems_of(picture, quality)
    context.write_file("photo.jpg", as_jpeg(picture))
    return {
        "usable": not problems,
        "problems": problems,
        "media_type": found,
        "width": picture.width,
        "height": picture.height,
        "quality": quality,
        **_hashes(picture),
        "taken_at": metadata.pop("taken_at", None),
        "metadata": metadata,
        "image": "photo.jpg",
    }


def measure(picture: "Image.Image") -> dict[str, float]:
    """log_sharpness, mean, deviation (of 255), dark and bright (fractions)."""
    import numpy

    grey_picture = picture.convert("L")
    grey_picture.thumbnail((MEASURED_SIDE, MEASURED_SIDE))
    grey = numpy.asarray(grey_picture, dtype=numpy.float64)
    if min(grey.shape) < 3:
        laplacian = numpy.zeros((1, 1))
    else:
        laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return {
        "log_sharpness": round(math.log(float(laplacian.var()) + 1e-6), 3),
        "mean": round(float(grey.mean()), 2),
        "deviation": round(float(grey.std()), 2),
        "dark": round(float((grey < 16).mean()), 4),
        "bright": round(float((grey > 239).mean()), 4),
    }


def problems_of(picture: "Image.Image", quality: dict[str, float]) -> list[dict[str, str]]:
    """Why people or models could not judge this photo, worst first; empty when they can."""
    problems: list[dict[str, str]] = []
    if min(picture.size) < LEAST_SIDE:
        problems.append(
            {"code": "too_small", "message": f"The picture has only {picture.width} x {picture.height} pixels."}
        )
    if quality["dark"] > MOST_DARK:
        problems.append({"code": "too_dark", "message": f"{quality['dark']:.0%} of the picture is black."})
    if quality["bright"] > MOST_BRIGHT:
        problems.append({"code": "too_bright", "message": f"{quality['bright']:.0%} of the picture is white."})
    if quality["deviation"] < LEAST_CONTRAST:
        problems.append({"code": "no_contrast", "message": "The picture shows next to nothing: it is all one colour."})
    elif quality["log_sharpness"] < LEAST_LOG_SHARPNESS:
        problems.append({"code": "blurred", "message": "The picture is blurred: no sharp edge is in it."})
    return problems


def _hashes(picture: "Image.Image") -> dict[str, str]:
    import imagehash

    return {"phash": str(imagehash.phash(picture)), "dhash": str(imagehash.dhash(picture))}
