"""From painted scenes to what a phone camera would have saved: lens, sensor, JPEG and EXIF."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from evals.claims_intake.canvas import HEIGHT, WIDTH, Pixels

_MAKE, _MODEL, _ORIENTATION, _CHANGED = 271, 272, 274, 306
_EXIF_FOLDER, _EXPOSURE, _F_NUMBER, _ISO, _TAKEN, _DIGITISED, _FOCAL = 0x8769, 33434, 33437, 34855, 36867, 36868, 37386


@dataclass(frozen=True, kw_only=True)
class Shot:
    """How a photo was taken. `taken` is local time as EXIF writes it (2026:10:14 17:14:09); None "
    "leaves all EXIF out."""

    taken: str | None
    make: str = "Apple"
    model: str = "iPhone 13"
    iso: int = 200
    quality: int = 80
    shake: float = 0.0
    defocus: float = 0.0
    warmth: float = 0.0


def develop(scene: Pixels, shot: Shot, seed: int) -> Image.Image:
    """Lens (vignette, defocus, shake), white balance and sensor noise."""
    random = np.random.default_rng(seed + 7919)
    picture = _frame(scene, random)
    if shot.defocus:
        picture = ndimage.gaussian_filter(picture, (shot.defocus, shot.defocus, 0))
    if shot.shake:
        picture = ndimage.uniform_filter1d(picture, int(shot.shake), axis=1)
        picture = ndimage.uniform_filter1d(picture, max(1, int(shot.shake / 3)), axis=0)
    v, u = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    off_centre = random.uniform(-0.15, 0.15, 2)
    picture *= (1 - 0.2 * ((u - off_centre[0]) ** 2 + (v - off_centre[1]) ** 2))[..., None]
    picture = np.clip(picture * np.array([1 + shot.warmth, 1, 1 - shot.warmth], np.float32), 0, 1) ** 0.85
    level = 0.007 + 0.00003 * shot.iso
    noise = random.normal(0, 1, picture.shape).astype(np.float32)
    if shot.defocus or shot.shake:
        level *= 0.25
    else:
        blurred = ndimage.gaussian_filter(picture, (1.2, 1.2, 0))
        picture = picture + 1.3 * (picture - blurred)
    picture = picture + noise * level * (0.4 + np.sqrt(np.clip(picture, 0, 1)))
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _frame(scene: Pixels, random: np.random.Generator) -> Pixels:
    """The part of the scene that the lens saw: nearer, turned a little, not quite square on, from either side."""
    zoom, turn = random.uniform(1.08, 1.28), np.radians(random.uniform(-7, 7))
    margin = 0.5 - 0.5 / zoom
    centre = 0.5 + random.uniform(-0.7, 0.7, 2) * margin
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, WIDTH), np.linspace(-0.5, 0.5, HEIGHT) * HEIGHT / WIDTH)
    lean = 1 + random.uniform(-0.10, 0.10) * 2 * u + random.uniform(-0.12, 0.12) * 2 * v
    x = (u * np.cos(turn) - v * np.sin(turn)) / zoom * lean + centre[0]
    y = (u * np.sin(turn) + v * np.cos(turn)) / zoom * lean * WIDTH / HEIGHT + centre[1]
    if random.random() < 0.5:
        x = 1 - x
    places = np.stack([y * (HEIGHT - 1), x * (WIDTH - 1)])
    channels = [ndimage.map_coordinates(scene[..., c], places, order=3, mode="mirror") for c in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def save_jpeg(picture: Image.Image, shot: Shot) -> bytes:
    """The file as the phone would write it."""
    out = io.BytesIO()
    if shot.taken is None:
        picture.save(out, "JPEG", quality=shot.quality, optimize=True)
        return out.getvalue()
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL], exif[_ORIENTATION], exif[_CHANGED] = shot.make, shot.model, 1, shot.taken
    folder = exif.get_ifd(_EXIF_FOLDER)
    folder[_TAKEN] = folder[_DIGITISED] = shot.taken
    folder[_ISO], folder[_EXPOSURE], folder[_F_NUMBER], folder[_FOCAL] = shot.iso, 0.0083, 1.8, 4.2
    picture.save(out, "JPEG", quality=shot.quality, optimize=True, exif=exif.tobytes())
    return out.getvalue()


def save_png(picture: Image.Image) -> bytes:
    """A screenshot-like copy without EXIF, in 160 colours to keep it small."""
    out = io.BytesIO()
    picture.resize((800, 600)).quantize(160, dither=Image.Dither.FLOYDSTEINBERG).save(out, "PNG", optimize=True)
    return out.getvalue()


def sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian of the grey picture at 0..255, as image-quality checks measure it."""
    grey = np.asarray(picture.convert("L"), np.float32)
    return float(ndimage.laplace(grey).var())
