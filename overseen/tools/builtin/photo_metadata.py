"""What a camera wrote into a photo. Content of a stranger: anyone can write anything there."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from overseen.domain.clean_text import clean_line

if TYPE_CHECKING:
    from PIL import Image

_EXIF_FOLDER = 0x8769
_ORIGINAL, _DIGITIZED, _CHANGED = 0x9003, 0x9004, 0x0132
_MAKE, _MODEL, _SOFTWARE = 0x010F, 0x0110, 0x0131
_GPS_FOLDER = 0x8825
_MOST = 80


def photo_metadata(picture: "Image.Image") -> dict[str, Any]:
    """taken_at and changed_at (YYYY-MM-DDTHH:MM:SS, the camera's local time), make, model, software, has_location.

    What is missing is left out.
    """
    try:
        exif = picture.getexif()
        inner = exif.get_ifd(_EXIF_FOLDER)
        location = bool(exif.get_ifd(_GPS_FOLDER))
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, EOFError):
        return {"exif_damaged": True}
    found: dict[str, Any] = {
        "make": _text(exif.get(_MAKE)),
        "model": _text(exif.get(_MODEL)),
        "software": _text(exif.get(_SOFTWARE)),
        "has_location": location,
        "changed_at": _time(exif.get(_CHANGED)),
    }
    # The date of the last change says nothing about the day the photo was taken.
    for value in (inner.get(_ORIGINAL), inner.get(_DIGITIZED)):
        taken = _time(value)
        if taken is not None:
            found["taken_at"] = taken
            break
    return {name: value for name, value in found.items() if value is not None}


def _text(value: object) -> str | None:
    return clean_line(str(value))[:_MOST] or None if value is not None else None


def _time(value: object) -> str | None:
    text = str(value).strip("\x00 ")
    try:
        # Without zone on purpose: cameras do not know theirs, and only the day is compared.
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").isoformat()  # noqa: DTZ007
    except ValueError:
        return None
