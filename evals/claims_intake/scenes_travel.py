"""Painted belongings that did not survive a journey: a split suitcase, a phone with a shattered screen."""

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


def _carpet(scene: Scene, colour: Colour) -> Pixels:
    pile = 0.75 + 0.14 * grain(scene.random, 1.0) + 0.08 * grain(scene.random) + 0.10 * fractal(scene.random, 10)
    return np.asarray(colour, np.float32) * pile[..., None]


def _table(scene: Scene, wood: Colour) -> Pixels:
    veins = np.sin(scene.v * 60 + 5 * fractal(scene.random, 3, 5) + 3 * scene.u)
    streaks = ndimage.uniform_filter1d(grain(scene.random), 61, axis=1) * 5
    tone = 0.82 + 0.06 * veins + 0.06 * streaks + 0.02 * grain(scene.random)
    tone *= 1 - 0.6 * step(np.abs(scene.v - 0.31) - 0.002, 0.002)
    return np.asarray(wood, np.float32) * tone[..., None]


def suitcase(seed: int, colour: Colour = (0.10, 0.30, 0.42), at: tuple[float, float] = (0.60, 0.64)) -> Pixels:
    """A ribbed hard-shell case lying on carpet, its shell split near a corner and one wheel torn off."""
    scene = new_scene(seed)
    picture = _carpet(scene, (0.46, 0.42, 0.40))
    shell = box_distance(scene, (0.5, 0.5), (0.40, 0.40), 0.07)
    shadow = box_distance(scene, (0.515, 0.54), (0.41, 0.41), 0.08)
    picture = mix(picture, (0.03, 0.03, 0.03), step(shadow, 0.03) * 0.7)
    ribs = np.cos(scene.v * 2 * np.pi * 9.5) * step(np.abs(scene.u - 0.5) - 0.33, 0.01)
    bulge = -np.clip(shell + 0.06, 0, 0.06) * 900
    pushed = -np.exp(-((disc_distance(scene, at, 0) / 0.07) ** 2)) * 26
    pebble = 0.5 * grain(scene.random, 1.2)
    normal = relief(ribs * 7 + bulge + pushed + pebble, 0.16)
    light = 0.25 + 0.75 * lit(normal, (-0.4, -0.8, 0.7)) + 0.5 * lit(normal, (-0.3, -0.75, 0.45)) ** 18
    picture = mix(picture, np.asarray(colour) * light[..., None] * 1.25, step(shell, 0.0015))
    for corner in ((0.15, 0.20), (0.85, 0.20), (0.15, 0.80), (0.85, 0.80)):
        guard = np.maximum(disc_distance(scene, corner, 0.062), shell)
        picture = mix(picture, (0.07, 0.07, 0.075), step(guard, 0.0015) * 0.95)
        gleam = step(np.abs(disc_distance(scene, corner, 0.055)) - 0.001, 0.002) * (shell < 0)
        picture = mix(picture, (0.5, 0.5, 0.5), gleam * 0.4)
    for number in range(6):
        line = wander(scene.random, at, number * 1.05 + 0.3, scene.random.uniform(0.08, 0.24), 0.35)
        distance = path_distance(scene, line)
        picture = mix(picture, np.asarray(colour) * 2.0 + 0.2, step(distance - 0.0045, 0.002) * 0.55)
        picture = mix(picture, (0.015, 0.015, 0.02), step(distance - 0.0022, 0.0012))
    hole = disc_distance(scene, at, 0.022) + 0.016 * fractal(scene.random, 26, 2)
    picture = mix(picture, np.asarray(colour) * 1.8 + 0.22, step(np.abs(hole) - 0.004, 0.0015))
    picture = mix(picture, (0.02, 0.02, 0.022), step(hole, 0.0015))
    for _ in range(22):
        start = (scene.random.uniform(0.16, 0.8), scene.random.uniform(0.15, 0.85))
        scuff = path_distance(scene, wander(scene.random, start, scene.random.normal(0.2, 0.5), 0.07, 0.1)) + (
            shell > 0
        )
        picture = mix(picture, (0.75, 0.78, 0.8), step(scuff - 0.0007, 0.0008) * scene.random.uniform(0.2, 0.6))
    socket = box_distance(scene, (0.865, 0.90), (0.035, 0.035), 0.012)
    picture = mix(picture, (0.02, 0.02, 0.02), step(socket, 0.002))
    tyre = disc_distance(scene, (0.945, 0.86), 0.030)
    picture = mix(picture, (0.05, 0.05, 0.055), step(tyre, 0.0015))
    picture = mix(picture, (0.48, 0.49, 0.5), step(tyre + 0.014, 0.0015))
    tag = box_distance(scene, (0.30, 0.13), (0.085, 0.030), 0.006)
    picture = mix(
        picture, flat((0.93, 0.93, 0.9)) * (0.95 + 0.03 * grain(scene.random, 0.8))[..., None], step(tag, 0.001)
    )
    bars = (np.sin(scene.u * 1400) + np.sin(scene.u * 893) > 0.3).astype(np.float32)
    inner = step(box_distance(scene, (0.315, 0.13), (0.055, 0.018), 0.001), 0.0006)
    picture = mix(picture, (0.08, 0.08, 0.08), bars * inner)
    return picture * (1.12 - 0.3 * scene.u * scene.v)[..., None]


def phone(seed: int, at: tuple[float, float] = (0.56, 0.36), wood: Colour = (0.50, 0.36, 0.24)) -> Pixels:
    """A phone lying face up on a table, its glass shattered from one corner and the lower screen gone to stripes."""
    scene = new_scene(seed)
    picture = _table(scene, wood)
    body = box_distance(scene, (0.5, 0.5), (0.20, 0.46), 0.045)
    picture = mix(
        picture, (0.03, 0.02, 0.02), step(box_distance(scene, (0.512, 0.52), (0.205, 0.465), 0.05), 0.02) * 0.75
    )
    picture = mix(picture, (0.38, 0.39, 0.41), step(body, 0.0012))
    picture = mix(picture, (0.015, 0.015, 0.018), step(body + 0.006, 0.0012))
    screen = box_distance(scene, (0.5, 0.5), (0.185, 0.435), 0.036)
    sheen = np.exp(-(((scene.u - 0.9 * scene.v + 0.10) / 0.10) ** 2)) * 0.22 + 0.05 * np.exp(
        -(((scene.u - 0.42) / 0.03) ** 2)
    )
    glow = np.stack([0.10 + 0.12 * (1 - scene.v), 0.16 + 0.16 * (1 - scene.v), 0.30 + 0.2 * (1 - scene.v)], -1)
    broken = step(0.66 + 0.05 * fractal(scene.random, 6) - scene.v, 0.006)
    stripes = np.repeat(scene.random.uniform(0, 1, (128, 3)), 8, axis=0)[None, :, :].repeat(scene.u.shape[0], 0)
    picture = mix(
        picture, mix(glow, stripes.astype(np.float32) * np.array([0.5, 0.6, 0.5]), broken * 0.8), step(screen, 0.001)
    )
    picture = picture + (step(body, 0.001) * sheen)[..., None]
    for row in range(4):
        for column in range(3):
            centre = (0.40 + column * 0.10, 0.22 + row * 0.125)
            icon = box_distance(scene, centre, (0.030, 0.040), 0.011)
            picture = mix(picture, tuple(scene.random.uniform(0.25, 0.85, 3)), step(icon, 0.001) * 0.8 * (1 - broken))
    points = scene.random.normal(at, (0.12, 0.22), (70, 2))
    nearest = np.full(scene.u.shape, 9.0, np.float32)
    second = nearest.copy()
    for x, y in points:
        distance = np.hypot(scene.u - x, (scene.v - y) * 0.75).astype(np.float32)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    web = step(second - nearest - 0.0012, 0.0010) * (body < -0.004)
    picture = mix(picture, (0.88, 0.91, 0.93), web * (0.5 + 0.4 * np.clip(fractal(scene.random, 20), 0, 1)))
    facets = np.sin(np.floor(nearest * 40) * 3 + second * 90) * 0.03 * (body < -0.006)
    picture = picture + facets[..., None]
    for arm in range(9):
        line = wander(
            scene.random, at, arm * 0.72 + scene.random.normal(0, 0.2), scene.random.uniform(0.15, 0.42), 0.12
        )
        distance = path_distance(scene, line) + (body > -0.003)
        picture = mix(picture, (0.92, 0.94, 0.95), step(distance - 0.0012, 0.0009) * 0.9)
        picture = mix(picture, (0.05, 0.05, 0.05), step(np.abs(distance - 0.0025) - 0.0006, 0.0007) * 0.6)
    crater = disc_distance(scene, at, 0.010) + 0.007 * fractal(scene.random, 60, 2)
    picture = mix(picture, (0.75, 0.77, 0.78), step(crater, 0.002))
    picture = mix(picture, (0.01, 0.01, 0.01), step(disc_distance(scene, (0.5, 0.085), 0.008), 0.001))
    return picture * (1.1 - 0.25 * scene.v)[..., None]
