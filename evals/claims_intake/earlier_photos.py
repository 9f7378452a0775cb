"""The photos that came with earlier claims. Only their hashes go into the insurer database."""

from evals.claims_intake import scenes_car, scenes_home, scenes_travel
from evals.claims_intake.camera import Shot
from evals.claims_intake.material import Photo

_PHONE = Shot(taken="2026:01:24 15:20:44", make="Apple", model="iPhone 12", iso=160)

PHOTOS: dict[str, Photo] = {
    "earlier_rear_bumper": Photo(
        name="earlier_rear_bumper.jpg",
        paint=lambda seed: scenes_car.bumper(seed, (0.10, 0.10, 0.11)),
        seed=901,
        shot=_PHONE,
    ),
    "earlier_blue_door": Photo(
        name="earlier_blue_door.jpg",
        paint=lambda seed: scenes_car.door(seed, (0.05, 0.16, 0.34), (0.28, 0.44), 0.15, 0.014),
        seed=902,
        shot=_PHONE,
    ),
    "earlier_mirror": Photo(
        name="earlier_mirror.jpg",
        paint=lambda seed: scenes_car.wing(seed, (0.5, 0.5, 0.48), (0.6, 0.3)),
        seed=903,
        shot=_PHONE,
    ),
    "earlier_kitchen_ceiling": Photo(
        name="earlier_kitchen_ceiling.jpg",
        paint=lambda seed: scenes_home.ceiling(seed, (0.24, 0.30), 0.18),
        seed=904,
        shot=_PHONE,
    ),
    "earlier_blue_suitcase": Photo(
        name="earlier_blue_suitcase.jpg",
        paint=lambda seed: scenes_travel.suitcase(seed, (0.12, 0.14, 0.40), (0.34, 0.34)),
        seed=905,
        shot=_PHONE,
    ),
    "earlier_damp_wall": Photo(name="earlier_damp_wall.jpg", paint=scenes_home.damp_wall, seed=906, shot=_PHONE),
    "earlier_red_wing": Photo(
        name="earlier_red_wing.jpg", paint=lambda seed: scenes_car.wing(seed, (0.5, 0.04, 0.05)), seed=907, shot=_PHONE
    ),
}
"""Name of the scene -> the photo as it came in."""
