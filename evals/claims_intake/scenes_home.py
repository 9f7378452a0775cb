"""Painted rooms after something went wrong: a stained ceiling, a wet floor, a damp wall, a cracked hob."""

import numpy as np
from scipy import ndimage

from evals.claims_intake.canvas import (
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


def _plaster(scene: Scene, colour: Colour, bumps: Pixels, light: tuple[float, float, float]) -> Pixels:
    """A painted wall or ceiling: fine roller texture under raking light."""
    texture = 0.8 * grain(scene.random, 0.9) + 0.9 * grain(scene.random, 1.6) + 0.6 * grain(scene.random, 3.0)
    normal = relief(texture + bumps, 0.05)
    return np.asarray(colour, np.float32) * (0.45 + 0.6 * lit(normal, light))[..., None]


def _stain(scene: Scene, picture: Pixels, at: tuple[float, float], size: float, strength: float) -> Pixels:
    """Rings that water leaves as it dries: brown at the rims, yellow inside."""
    warp = 0.30 * fractal(scene.random, 4, 5) + 0.05 * fractal(scene.random, 30, 2)
    for shift, scale, weight in ((0.0, 1.0, 0.75), (0.22, 0.72, 0.8), (-0.2, 0.5, 0.9)):
        centre = (at[0] + shift * size, at[1] + shift * size * 0.5)
        radius = disc_distance(scene, centre, 0) / (size * scale) + warp
        inside = step(radius - 1, 0.03)
        rim = np.exp(-(((radius - 0.96) / 0.045) ** 2)) + 0.45 * np.exp(-(((radius - 0.86) / 0.10) ** 2))
        blotch = np.clip(0.5 + 0.6 * fractal(scene.random, 9, 4), 0, 1)
        picture = picture * (1 - strength * weight * inside * 0.30 * blotch)[..., None] ** np.array([0.55, 1.0, 2.0])
        picture = picture * (1 - strength * weight * np.clip(rim, 0, 1) * 0.40)[..., None] ** np.array([0.65, 1.1, 1.9])
    return picture


def ceiling(
    seed: int, at: tuple[float, float] = (0.46, 0.40), size: float = 0.22, paint: Colour = (0.93, 0.92, 0.88)
) -> Pixels:
    """A water stain on a painted ceiling, with coving, a bit of wall and paint that has come loose."""
    scene = new_scene(seed)
    loose = np.exp(-((disc_distance(scene, at, 0) / (size * 0.55)) ** 2)) * (10 + 9 * fractal(scene.random, 12, 3))
    picture = _plaster(scene, paint, loose, (-0.6, -0.35, 0.8))
    picture = _stain(scene, picture, at, size, 1.0)
    for _ in range(5):
        crack = path_distance(scene, wander(scene.random, at, scene.random.uniform(0, 6.3), size, 0.3))
        picture = mix(picture, (0.32, 0.26, 0.19), step(crack - 0.0008, 0.0008) * 0.75)
    flake = 1.05 - fractal(scene.random, 22, 3) + disc_distance(scene, at, 0) * 6.0
    picture = mix(
        picture, np.array([0.60, 0.55, 0.47]) * (0.9 + 0.1 * grain(scene.random, 0.8))[..., None], step(flake, 0.02)
    )
    picture = mix(picture, (0.25, 0.22, 0.18), step(np.abs(flake) - 0.012, 0.012) * 0.4)
    edge = scene.v - 0.80 - scene.random.uniform(-0.06, 0.06) * (scene.u - 0.5)
    rounds = 0.62 + 0.22 * np.cos(np.clip(edge / 0.075, 0, 1) * 9.0) + 0.01 * grain(scene.random, 1.0)
    picture = mix(picture, np.stack([rounds, rounds * 0.99, rounds * 0.95], -1), step(-edge, 0.0015))
    wall = _plaster(scene, (0.66, 0.72, 0.70), np.zeros_like(edge), (-0.6, 0.3, 0.8))
    picture = mix(picture, wall * (0.8 + 0.6 * np.clip(edge - 0.07, 0, 0.2))[..., None], step(0.075 - edge, 0.0015))
    lamp = 1.06 - 0.55 * np.clip(disc_distance(scene, (0.12, 0.05), 0) - 0.1, 0, 1)
    return picture * lamp[..., None] * np.array([1.02, 1.0, 0.95], np.float32)


def floor(seed: int, wood: Colour = (0.52, 0.36, 0.22), at: tuple[float, float] = (0.5, 0.66)) -> Pixels:
    """A laminate floor seen from standing height: lifted joints, a puddle that mirrors a window, a skirting board."""
    scene = new_scene(seed)
    depth = 1 / np.clip(scene.v - 0.06, 0.05, 1)
    across, along = (scene.u - 0.5) * depth * 2.4, depth * 2.2
    row = np.floor(across * 1.6)
    offset = (row * 0.618) % 1.0
    board = np.floor(along * 0.55 + offset)
    tone = 0.5 + 0.5 * np.sin(row * 12.9898 + board * 78.233)
    rings = np.sin((across * 1.6 - row) * 16 + 2.6 * fractal(scene.random, 6, 4) + tone * 6)
    veins = (
        0.86 + 0.07 * rings + 0.07 * ndimage.uniform_filter1d(grain(scene.random), 41, axis=0) * 4 + 0.16 * (tone - 0.5)
    )
    picture = np.asarray(wood, np.float32) * veins[..., None]
    seam_across = np.abs(across * 1.6 - np.round(across * 1.6)) / depth
    joint = along * 0.55 + offset
    seam_along = np.abs(joint - np.round(joint)) / depth**2 * 2.5
    seam = np.maximum(step(seam_across - 0.0028, 0.0018), step(seam_along - 0.0028, 0.0018))
    picture = mix(picture, (0.10, 0.065, 0.04), seam * 0.85)
    warp = fractal(scene.random, 5, 4)
    wet = np.hypot((scene.u - at[0]) / 0.34, (scene.v - at[1]) / 0.22) + 0.22 * warp - 1
    picture = picture * (1 - 0.38 * step(wet - 0.12, 0.08))[..., None]
    mirror = np.clip(0.75 - 0.9 * np.abs(scene.u - 0.47 - 0.02 * warp), 0, 1) * step(
        np.abs(scene.u - 0.47) - 0.16, 0.02
    )
    bars = step(0.012 - np.abs(scene.u - 0.47 + 0.012 * warp), 0.004) * step(0.014 - np.abs(scene.v - 0.66), 0.006)
    pool = step(wet, 0.012)
    picture = mix(picture, np.stack([mirror * 0.95, mirror, mirror * 1.05], -1), pool * (0.16 + 0.55 * mirror * bars))
    picture = mix(picture, (1, 1, 1), step(np.abs(wet + 0.015) - 0.008, 0.008) * 0.30)
    for _ in range(26):
        drop = disc_distance(scene, tuple(scene.random.normal(at, (0.22, 0.13))), scene.random.uniform(0.002, 0.006))
        picture = mix(picture, (0.12, 0.08, 0.05), step(drop, 0.0015) * 0.45)
        picture = mix(picture, (1, 1, 1), step(np.abs(drop + 0.002) - 0.0006, 0.0007) * 0.6)
    line = scene.v - 0.24 - 0.01 * scene.u
    skirting = 0.80 - 0.20 * np.exp(-(((line + 0.06) / 0.006) ** 2)) + 0.012 * grain(scene.random, 1.2)
    picture = mix(picture, np.stack([skirting, skirting * 0.99, skirting * 0.95], -1), step(line, 0.0015))
    picture = mix(picture, (0.05, 0.04, 0.03), step(np.abs(line) - 0.004, 0.003) * 0.8)
    wall = _plaster(scene, (0.72, 0.70, 0.62), np.zeros_like(line), (0.5, -0.5, 0.8))
    tide = step(-(line + 0.15 + 0.04 * fractal(scene.random, 7)), 0.02) * 0.35
    picture = mix(picture, mix(wall, (0.45, 0.40, 0.30), tide), step(line + 0.12, 0.002))
    return picture * (1.12 - 0.35 * np.abs(scene.u - 0.45))[..., None]


def damp_wall(seed: int, paint: Colour = (0.80, 0.77, 0.66), at: tuple[float, float] = (0.4, 0.78)) -> Pixels:
    """A wall with old damp: tide marks one above the other, blown plaster and black mould above the skirting."""
    scene = new_scene(seed)
    blown = np.clip(fractal(scene.random, 14, 4), 0, 1) * np.clip((scene.v - 0.45) * 3, 0, 1) * 26
    picture = _plaster(scene, paint, blown, (-0.7, -0.3, 0.7))
    for height in (0.42, 0.50, 0.585, 0.66):
        tide = scene.v - height + 0.10 * fractal(scene.random, 3, 4)
        rim = np.exp(-((tide / 0.010) ** 2)) * 0.35 + step(-tide, 0.02) * 0.09
        picture = picture * (1 - rim)[..., None] ** np.array([0.7, 1.0, 1.5])
    clump = fractal(scene.random, 7, 3) + 1.9 * (scene.v - 0.72) - 1.2 * np.abs(scene.u - at[0])
    specks = ndimage.gaussian_filter((grain(scene.random) > 2.15).astype(np.float32), 1.1) * 5
    picture = mix(picture, (0.09, 0.10, 0.085), np.clip(specks * np.clip(clump + 0.55, 0, 1) * 2.2, 0, 0.9))
    picture = mix(
        picture, (0.20, 0.21, 0.17), np.clip(clump * 0.9 * (0.6 + 0.5 * fractal(scene.random, 40, 2)), 0, 0.55)
    )
    board = 0.83 + 0.01 * scene.u
    skirting = 0.74 + 0.012 * grain(scene.random, 1.1) - 0.25 * np.exp(-(((scene.v - board - 0.02) / 0.006) ** 2))
    skirting -= 0.2 * np.clip(fractal(scene.random, 12, 3), 0, 1)
    picture = mix(picture, np.stack([skirting, skirting * 0.98, skirting * 0.92], -1), step(board - scene.v, 0.002))
    carpet = 0.30 + 0.05 * grain(scene.random, 1.2) + 0.03 * fractal(scene.random, 20)
    return mix(picture, np.stack([carpet * 0.9, carpet * 0.95, carpet * 1.15], -1), step(0.955 - scene.v, 0.003))


def hob(seed: int, at: tuple[float, float] = (0.58, 0.55)) -> Pixels:
    """A black glass hob in a worktop with a long crack through two cooking zones."""
    scene = new_scene(seed)
    fleck = 0.62 + 0.07 * grain(scene.random, 1.1) + 0.05 * grain(scene.random) + 0.05 * fractal(scene.random, 9)
    picture = np.stack([fleck * 1.0, fleck * 0.96, fleck * 0.88], -1)
    plate = box_distance(scene, (0.5, 0.52), (0.43, 0.40), 0.02)
    picture = mix(picture, (0.10, 0.09, 0.08), step(plate - 0.012, 0.008) * 0.6)
    gleam = np.exp(-(((scene.u * 0.8 - scene.v + 0.12 + 0.03 * fractal(scene.random, 2)) / 0.10) ** 2)) * 0.30
    glass = flat((0.045, 0.045, 0.05)) + gleam[..., None] * np.array([0.9, 0.97, 1.05])
    glass += 0.018 * np.clip(fractal(scene.random, 10, 3), 0, 1)[..., None]
    picture = mix(picture, glass, step(plate, 0.0015))
    picture = mix(picture, (0.72, 0.73, 0.74), step(np.abs(plate) - 0.0028, 0.0012))
    for centre, radius in (((0.27, 0.34), 0.105), ((0.72, 0.34), 0.08), ((0.27, 0.74), 0.08), ((0.72, 0.72), 0.11)):
        for ring in (radius, radius * 0.62):
            edge = np.abs(disc_distance(scene, centre, ring)) - 0.0011
            picture = mix(picture, (0.50, 0.50, 0.52), step(edge, 0.001) * 0.8)
    for start in range(7):
        direction = start * 0.9 + scene.random.normal(0, 0.2)
        line = wander(scene.random, at, direction, 0.40 if start in (0, 4) else scene.random.uniform(0.06, 0.22), 0.16)
        distance = path_distance(scene, line) + (plate > 0)
        picture = mix(picture, (0.78, 0.83, 0.86), step(distance - 0.0011, 0.0008) * 0.9)
        picture = mix(
            picture, (0.30, 0.33, 0.35), step(distance - 0.005 - 0.003 * fractal(scene.random, 60, 2), 0.002) * 0.3
        )
    chip = disc_distance(scene, at, 0.009) + 0.005 * fractal(scene.random, 50, 2)
    picture = mix(picture, (0.62, 0.64, 0.64), step(chip, 0.0015))
    for _ in range(40):
        crumb = disc_distance(scene, tuple(scene.random.uniform(0.05, 0.95, 2)), scene.random.uniform(0.0008, 0.0022))
        picture = mix(picture, (0.55, 0.50, 0.42), step(crumb, 0.0008) * 0.6)
    return picture * (1.15 - 0.4 * scene.v)[..., None]
