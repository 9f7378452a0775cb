"""Painted close-ups of damaged cars: a glossy surface that reflects sky, houses and road, with dents and scratches."""

import numpy as np
from scipy import ndimage

from evals.claims_intake.canvas import (
    HEIGHT,
    WIDTH,
    Colour,
    Pixels,
    Scene,
    box_distance,
    disc_distance,
    flat,
    fractal,
    grain,
    lit,
    mix,
    new_scene,
    path_distance,
    relief,
    step,
    wander,
)


def _surroundings(scene: Scene, up: Pixels, sideways: Pixels) -> Pixels:
    """What a mirror sees when its reflection points `up` (1 sky, -1 ground): sky, a skyline of houses, the road."""
    jag = np.repeat(scene.random.uniform(0.05, 0.3, 9), 14)
    skyline = np.interp((sideways * 0.9 + scene.u * 0.7 + 0.5) % 1.0, np.linspace(0, 1, jag.size), jag)
    skyline = ndimage.gaussian_filter(skyline.astype(np.float32), 5)
    sky = np.stack([0.74 + 0.3 * up, 0.80 + 0.25 * up, 0.88 + 0.18 * up], -1)
    houses = np.ones_like(sky) * np.array([0.16, 0.15, 0.14], np.float32)
    road = np.stack([0.34 + 0.1 * up, 0.33 + 0.1 * up, 0.32 + 0.1 * up], -1)
    seen = mix(sky, houses, step(up - skyline, 0.07))
    return np.clip(mix(seen, road, step(up + 0.08, 0.09)), 0, 1)


def _dent(scene: Scene, centre: tuple[float, float], size: float, depth: float, tilt: float) -> Pixels:
    """Height of a pressed-in place with a crease across it."""
    ratio = HEIGHT / WIDTH
    x, y = scene.u - centre[0], (scene.v - centre[1]) * ratio
    along, across = x * np.cos(tilt) + y * np.sin(tilt), -x * np.sin(tilt) + y * np.cos(tilt)
    rough = fractal(scene.random, 9, 3) * 0.12
    bowl = -np.exp(-((along / size) ** 2 + (across / (size * 0.55)) ** 2) * (1.6 + rough))
    crease = -0.35 * np.exp(-((across / (size * 0.07)) ** 2) - (along / (size * 0.9)) ** 2)
    lip = 0.22 * np.exp(-(((np.hypot(along, across * 1.7) - size * 1.05) / (size * 0.2)) ** 2))
    return (bowl + crease + lip) * depth


def _scratches(scene: Scene, picture: Pixels, place: tuple[float, float, float], *, count: int, slope: float) -> Pixels:
    """Scrapes through the lacquer around (u, v, spread): light primer with dark edges, a few deep, most only hairs."""
    across, down, spread = place
    haze = np.hypot((scene.u - across) / (spread * 1.1), (scene.v - down) / (spread * 0.55)) - 1
    streaks = ndimage.uniform_filter1d(grain(scene.random), 55, axis=1) * 5
    dull = step(haze + 0.5 * fractal(scene.random, 8, 3), 0.35) * np.clip(0.25 + 0.45 * streaks, 0, 0.6)
    picture = mix(picture, (0.66, 0.65, 0.63), dull * 0.55)
    for number in range(count * 3):
        deep = number % 6 == 0
        start = (across + scene.random.normal(-0.6, 0.4) * spread, down + scene.random.normal(0, spread * 0.30))
        length = spread * scene.random.uniform(0.25, 1.7 if deep else 0.9)
        line = wander(scene.random, start, slope + scene.random.normal(0, 0.09), length, 0.05)
        distance = path_distance(scene, line)
        along = np.clip((scene.u - start[0]) / (length + 1e-6), 0, 1)
        taper = np.clip(4 * along * (1.02 - along), 0, 1) * (0.75 + 0.5 * fractal(scene.random, 70, 1))
        wide = scene.random.uniform(0.0012, 0.0024) if deep else scene.random.uniform(0.0001, 0.0006)
        if deep:
            picture = mix(picture, (0.10, 0.09, 0.09), step(distance - wide * 1.8 * taper, 0.0012) * 0.55 * taper)
        tone = scene.random.uniform(0.68, 0.86)
        mask = step(distance - wide * taper, 0.0008) * (0.9 if deep else 0.5)
        picture = mix(picture, (tone, tone * 0.99, tone * 0.96), np.clip(mask * np.clip(taper + 0.2, 0, 1), 0, 1))
    return picture


def _asphalt(scene: Scene) -> Pixels:
    tone = 0.30 + 0.05 * fractal(scene.random, 6) + 0.055 * grain(scene.random, 0.9) + 0.03 * grain(scene.random)
    tone += 0.12 * (scene.v - 0.9)
    return np.stack([tone * 1.02, tone, tone * 0.97], -1)


def _body(scene: Scene, colour: Colour, damage: Pixels, crease_at: float, metallic: float) -> Pixels:
    """Lacquered metal: its own colour in the light, the surroundings mirrored in it."""
    lean = np.interp(scene.v, [0, 0.18, crease_at, crease_at + 0.02, 0.75, 1], [-0.42, -0.22, 0.02, -0.16, 0.2, 0.42])
    peel = 0.0022 * grain(scene.random, 2.2)
    dx, dy, _ = relief(damage * 900, 1.0)
    nx = dx + 0.12 * (scene.u - 0.5) + peel
    ny = lean.astype(np.float32) + dy + peel
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.05, 1))
    seen = _surroundings(scene, np.clip(-2 * nz * ny, -1, 1), np.clip(2 * nz * nx, -1, 1))
    edge = 0.10 + 0.55 * (1 - nz) ** 1.2 + metallic
    light = 0.55 + 0.65 * lit((nx, ny, nz), (-0.3, -0.75, 0.7))
    own = (
        np.asarray(colour, np.float32) * light[..., None] * (1 + 0.03 * metallic * grain(scene.random, 0.7))[..., None]
    )
    dust = np.clip(fractal(scene.random, 4) * 0.5 + (scene.v - 0.55) * 0.9, 0, 1) * 0.22
    return mix(own * (1 - edge[..., None] * 0.6) + seen * edge[..., None], (0.45, 0.41, 0.35), dust)


def _gap(picture: Pixels, distance: Pixels) -> Pixels:
    picture = mix(picture, (0.9, 0.9, 0.9), step(np.abs(distance - 0.0042) - 0.0007, 0.001) * 0.35)
    return mix(picture, (0.03, 0.03, 0.035), step(np.abs(distance) - 0.0026, 0.0014))


def _wheel(scene: Scene, picture: Pixels, centre: tuple[float, float], radius: float) -> Pixels:
    distance = disc_distance(scene, centre, 0)
    picture = mix(picture, (0.015, 0.015, 0.017), step(distance - radius * 1.16, 0.004))
    tyre = (
        0.075 + 0.018 * grain(scene.random, 0.7) + 0.03 * np.sin(distance * 900) * step(radius * 0.86 - distance, 0.003)
    )
    picture = mix(picture, np.stack([tyre] * 3, -1), step(distance - radius, 0.002))
    angle = np.arctan2((scene.v - centre[1]) * HEIGHT / WIDTH, scene.u - centre[0])
    reach = distance / radius
    spoke = np.abs(((angle + 0.3) * 5 / (2 * np.pi)) % 1 - 0.5) * 2 * np.clip(reach, 0.12, 1) * 3.2
    metal = 0.42 + 0.16 * np.cos(spoke * 2.2) + 0.10 * (centre[1] - scene.v) * 3 + 0.015 * grain(scene.random, 0.8)
    dark = np.stack([0.05 + 0.01 * grain(scene.random, 1.0)] * 3, -1)
    picture = mix(picture, dark, step(distance - radius * 0.66, 0.002))
    rim = np.maximum(step(spoke - 0.62, 0.07), step(0.585 - reach, 0.006)) * step(distance - radius * 0.655, 0.002)
    rim = np.maximum(rim, step(distance - radius * 0.12, 0.004))
    picture = mix(picture, np.clip(np.stack([metal, metal, metal * 1.03], -1), 0.03, 0.9), rim)
    picture = mix(picture, (0.14, 0.14, 0.15), step(np.abs(distance - radius * 0.07) - 0.002, 0.0015))
    return mix(picture, (0.55, 0.55, 0.56), step(np.abs(distance - radius * 0.66) - 0.003, 0.0015))


def _handle(scene: Scene, picture: Pixels, centre: tuple[float, float], colour: Colour) -> Pixels:
    hollow = box_distance(scene, centre, (0.062, 0.030), 0.02)
    picture = mix(picture, np.asarray(colour) * 0.28, step(hollow, 0.006) * 0.8)
    grip = box_distance(scene, (centre[0], centre[1] - 0.006), (0.072, 0.017), 0.012)
    shade = 0.5 + 0.7 * np.clip((centre[1] + 0.012 - scene.v) / 0.03, 0, 1)
    shadow = box_distance(scene, (centre[0], centre[1] + 0.012), (0.072, 0.018), 0.012)
    picture = mix(picture, (0.02, 0.02, 0.02), step(shadow, 0.008) * 0.55)
    return mix(picture, np.asarray(colour) * shade[..., None] + 0.12, step(grip, 0.0016))


def door(
    seed: int, colour: Colour, at: tuple[float, float] = (0.42, 0.56), size: float = 0.13, depth: float = 0.011
) -> Pixels:
    """A car door from the side with a dent and scrapes at `at`; window above, sill and road below."""
    scene = new_scene(seed)
    damage = _dent(scene, at, size, depth, scene.random.uniform(-0.4, 0.4))
    picture = _body(scene, colour, damage, scene.random.uniform(0.36, 0.46), 0.1)
    picture = _scratches(scene, picture, (*at, size * 1.25), count=9, slope=scene.random.uniform(-0.15, 0.15))
    slant = 0.03 * (scene.v - 0.5)
    edge = scene.random.uniform(0.74, 0.84)
    picture = _gap(picture, scene.u - edge - slant)
    picture = _gap(picture, scene.u - scene.random.uniform(0.02, 0.07) + slant)
    picture = _handle(scene, picture, (edge - 0.11, 0.27), colour)
    glass = flat((0.06, 0.075, 0.08)) + np.clip(0.25 * fractal(scene.random, 3, 3), 0, 1)[..., None] * np.array(
        [0.9, 1, 1.1]
    )
    top = scene.random.uniform(0.08, 0.13)
    picture = mix(picture, glass, step(scene.v - top - 0.02 * scene.u, 0.002))
    picture = mix(picture, (0.04, 0.04, 0.04), step(np.abs(scene.v - top - 0.012 - 0.02 * scene.u) - 0.010, 0.003))
    sill = 0.86 + 0.015 * scene.u
    picture = _gap(picture, (scene.v - sill + 0.035) * HEIGHT / WIDTH)
    road = _asphalt(scene) * np.clip(0.35 + (scene.v - sill) * 5, 0.25, 1)[..., None]
    return mix(picture, road, step(sill + 0.02 - scene.v, 0.003))


def wing(
    seed: int, colour: Colour, at: tuple[float, float] = (0.36, 0.40), size: float = 0.11, depth: float = 0.010
) -> Pixels:
    """A front or rear wing over a wheel, dented and scraped at `at`."""
    scene = new_scene(seed)
    damage = _dent(scene, at, size, depth, scene.random.uniform(-0.7, 0.7))
    picture = _body(scene, colour, damage, scene.random.uniform(0.28, 0.38), 0.08)
    picture = _scratches(scene, picture, (*at, size * 1.3), count=8, slope=scene.random.uniform(-0.35, 0.25))
    picture = _gap(picture, scene.u - 0.80 + 0.07 * scene.v)
    picture = _gap(picture, (scene.v - 0.09 - 0.06 * scene.u) * HEIGHT / WIDTH)
    road = _asphalt(scene) * np.clip(0.4 + (scene.v - 0.9) * 4, 0.25, 1)[..., None]
    picture = mix(picture, road, step(0.91 - scene.v, 0.004))
    return _wheel(scene, picture, (scene.random.uniform(0.42, 0.52), 0.93), scene.random.uniform(0.22, 0.26))


def bumper(
    seed: int, colour: Colour, at: tuple[float, float] = (0.34, 0.62), size: float = 0.12, depth: float = 0.011
) -> Pixels:
    """A rear bumper with lamp and boot edge, cracked and scraped at `at`."""
    scene = new_scene(seed)
    damage = _dent(scene, at, size, depth, scene.random.uniform(-0.2, 0.5))
    picture = _body(scene, colour, damage, 0.52, 0.07)
    picture = _gap(picture, (scene.v - 0.40 - 0.02 * np.cos(scene.u * 3)) * HEIGHT / WIDTH)
    lamp = box_distance(scene, (0.86, 0.24), (0.15, 0.13), 0.03)
    ribs = 0.5 + 0.2 * np.sin(scene.u * 260) + 0.12 * np.sin(scene.v * 90) + 0.1 * fractal(scene.random, 8)
    red = np.stack([0.25 + 0.6 * ribs, 0.03 + 0.07 * ribs, 0.04 + 0.06 * ribs], -1)
    picture = mix(picture, (0.03, 0.03, 0.03), step(lamp - 0.006, 0.002))
    picture = mix(picture, red, step(lamp, 0.002))
    picture = mix(picture, (1, 0.95, 0.92), step(box_distance(scene, (0.84, 0.155), (0.10, 0.008), 0.004), 0.004) * 0.6)
    picture = _scratches(scene, picture, (*at, size * 1.4), count=10, slope=scene.random.uniform(-0.1, 0.3))
    for _ in range(3):
        crack = path_distance(scene, wander(scene.random, at, scene.random.uniform(0, 6.3), size * 1.1, 0.35))
        picture = mix(picture, (0.02, 0.02, 0.02), step(crack - 0.0014, 0.0009))
    grille = 0.055 + 0.04 * (np.sin(scene.u * 420) * np.sin(scene.v * 300) > 0) + 0.012 * grain(scene.random)
    picture = mix(picture, np.stack([grille] * 3, -1), step(0.84 - scene.v, 0.004))
    return mix(picture, _asphalt(scene), step(0.94 + 0.01 * fractal(scene.random, 5) - scene.v, 0.004))


def windscreen(seed: int, at: tuple[float, float] = (0.44, 0.46)) -> Pixels:
    """A windscreen from the driver's seat with a star-shaped break; road and hedges out of focus behind."""
    scene = new_scene(seed)
    horizon = 0.40 + 0.02 * fractal(scene.random, 3)
    sky = np.stack([0.72 + 0.1 * scene.v, 0.78 + 0.08 * scene.v, 0.86 - 0.02 * scene.v], -1)
    leaves = 0.22 + 0.12 * fractal(scene.random, 14)
    hedge = np.stack([leaves * 0.9, leaves * 1.15, leaves * 0.6], -1)
    tone = 0.42 + 0.03 * fractal(scene.random, 5)
    verge = np.abs(scene.u - 0.55) - (scene.v - 0.36) * 0.9
    outside = mix(sky, hedge, step(0.25 + 0.12 * fractal(scene.random, 5) - scene.v, 0.02))
    outside = mix(outside, np.stack([tone, tone, tone * 1.02], -1), step(verge, 0.03) * step(horizon - scene.v, 0.02))
    picture = np.clip(ndimage.gaussian_filter(outside, (7, 7, 0)), 0, 1)
    picture = mix(picture, (0.86, 0.88, 0.9), np.clip(0.25 * fractal(scene.random, 2), 0, 0.3))
    for arm in range(11):
        direction = arm * 0.571 + scene.random.normal(0, 0.15)
        line = wander(scene.random, at, direction, scene.random.uniform(0.05, 0.34), 0.10)
        distance = path_distance(scene, line)
        picture = mix(picture, (0.95, 0.97, 1.0), step(distance - 0.0012, 0.0010) * 0.85)
        picture = mix(picture, (0.1, 0.12, 0.13), step(np.abs(distance - 0.0022) - 0.0006, 0.0008) * 0.6)
    ring = disc_distance(scene, at, 0) + 0.006 * fractal(scene.random, 40, 2)
    for radius in (0.012, 0.024, 0.041):
        picture = mix(picture, (0.92, 0.95, 0.97), step(np.abs(ring - radius) - 0.0009, 0.0010) * 0.7)
    picture = mix(picture, (0.08, 0.08, 0.09), step(ring - 0.006, 0.002))
    for _ in range(70):
        spot = disc_distance(scene, tuple(scene.random.uniform(0, 1, 2)), scene.random.uniform(0.0006, 0.002))
        picture = mix(picture, (0.35, 0.34, 0.30), step(spot, 0.001) * 0.55)
    board = 0.80 + 0.05 * (scene.u - 0.5) ** 2 - 0.03 * step(np.abs(scene.u - 0.3) - 0.16, 0.05)
    leather = 0.085 + 0.014 * grain(scene.random, 1.1) + 0.05 * np.clip(board + 0.05 - scene.v, 0, 1)
    picture = mix(picture, np.stack([leather, leather, leather * 1.05], -1), step(board - scene.v, 0.004))
    pillar = 0.05 + 0.09 * scene.v - scene.u
    return mix(picture, flat((0.07, 0.07, 0.075)) + 0.01 * grain(scene.random, 1.0)[..., None], step(-pillar, 0.003))
