"""Pixels to paint scenes with: textures, soft masks, light on surfaces. Float32, height x width (x 3), 0..1."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image
from scipy import ndimage

WIDTH, HEIGHT = 1024, 768
Pixels = np.ndarray
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """What every painter starts from: a source of chance and coordinates (u right, v down, 0..1)."""

    random: np.random.Generator
    u: Pixels
    v: Pixels


def new_scene(seed: int) -> Scene:
    """A scene whose chance depends on `seed` alone."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return Scene(np.random.default_rng(seed), u / WIDTH, v / HEIGHT)


def fractal(random: np.random.Generator, cells: int, octaves: int = 4, fade: float = 0.5) -> Pixels:
    """Smooth noise around 0, about -1..1; `cells` is the number of lumps across the picture."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    strength = 1.0
    for octave in range(octaves):
        across = max(2, cells * 2**octave)
        grid = random.normal(0, 0.5, (max(2, across * HEIGHT // WIDTH) + 2, across + 2)).astype(np.float32)
        layer = Image.fromarray(grid).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        total += strength * np.asarray(layer)
        strength *= fade
    return total


def grain(random: np.random.Generator, blur: float = 0.0) -> Pixels:
    """White noise of deviation 1, optionally softened."""
    noise = random.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
    if blur:
        noise = ndimage.gaussian_filter(noise, blur)
        noise /= noise.std() + 1e-9
    return noise


def step(distance: Pixels, width: float) -> Pixels:
    """1 where `distance` is clearly negative, 0 where positive, soft over `width`."""
    return np.clip(0.5 - distance / (2 * width), 0, 1).astype(np.float32)


def mix(below: Pixels, above: Pixels | Colour, mask: Pixels) -> Pixels:
    """`above` laid over `below` where `mask` is 1. Only the rectangle that the mask touches is worked on."""
    over = np.asarray(above, np.float32)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    mixed = below.astype(np.float32)
    if rows.size:
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        share = mask[part][..., None]
        mixed[part] = mixed[part] * (1 - share) + (over[part] if over.ndim == 3 else over) * share
    return mixed


def flat(colour: Colour) -> Pixels:
    """A picture of one colour."""
    return np.ones((HEIGHT, WIDTH, 3), np.float32) * np.asarray(colour, np.float32)


def box_distance(scene: Scene, centre: tuple[float, float], half: tuple[float, float], radius: float) -> Pixels:
    """Signed distance to a rounded rectangle, in units of the picture's width."""
    ratio = HEIGHT / WIDTH
    x = np.abs(scene.u - centre[0]) - half[0] + radius
    y = np.abs(scene.v - centre[1]) * ratio - half[1] * ratio + radius
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    return outside + np.minimum(np.maximum(x, y), 0) - radius


def disc_distance(scene: Scene, centre: tuple[float, float], radius: float) -> Pixels:
    """Signed distance to a circle, in units of the picture's width."""
    ratio = HEIGHT / WIDTH
    return np.hypot(scene.u - centre[0], (scene.v - centre[1]) * ratio) - radius


def path_distance(scene: Scene, points: list[tuple[float, float]], reach: float = 0.03) -> Pixels:
    """Distance to a line through `points`, in units of the picture's width; 9 where it is surely more than `reach`."""
    ratio = HEIGHT / WIDTH
    best = np.full((HEIGHT, WIDTH), 9.0, np.float32)
    for (ax, ay), (bx, by) in pairwise(points):
        left, right = sorted((ax, bx))
        top, bottom = sorted((ay, by))
        part = (
            slice(max(0, int((top - reach / ratio) * HEIGHT)), max(0, int((bottom + reach / ratio) * HEIGHT) + 1)),
            slice(max(0, int((left - reach) * WIDTH)), max(0, int((right + reach) * WIDTH) + 1)),
        )
        x, y = scene.u[part] - ax, (scene.v[part] - ay) * ratio
        dx, dy = bx - ax, (by - ay) * ratio
        along = np.clip((x * dx + y * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        best[part] = np.minimum(best[part], np.hypot(x - along * dx, y - along * dy))
    return best


def wander(
    random: np.random.Generator, start: tuple[float, float], direction: float, length: float, wobble: float = 0.3
) -> list[tuple[float, float]]:
    """Points of a line that keeps its direction (radians) only roughly: a scratch or a crack."""
    pieces = max(3, int(length / 0.025))
    x, y = start
    points = [(x, y)]
    for _ in range(pieces):
        direction += random.normal(0, wobble)
        x += np.cos(direction) * length / pieces
        y += np.sin(direction) * length / pieces * WIDTH / HEIGHT
        points.append((float(x), float(y)))
    return points


def relief(height: Pixels, strength: float) -> tuple[Pixels, Pixels, Pixels]:
    """Unit normals (x right, y down, z to the viewer) of a surface of that height."""
    down, right = np.gradient(height)
    x, y = -right * strength, -down * strength
    z = 1 / np.sqrt(1 + x * x + y * y)
    return x * z, y * z, z


def lit(normal: tuple[Pixels, Pixels, Pixels], light: tuple[float, float, float]) -> Pixels:
    """How much light falls on each pixel, 0..1."""
    x, y, z = light
    length = np.sqrt(x * x + y * y + z * z)
    return np.clip((normal[0] * x + normal[1] * y + normal[2] * z) / length, 0, 1)
