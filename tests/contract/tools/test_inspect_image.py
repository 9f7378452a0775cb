"""`inspect_image` in the real sandbox."""

import pytest
from PIL import Image

from tests.contract.tools import documents
from tests.contract.tools.conftest import RunTool


def differing_bits(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


async def test_a_sharp_photo_is_usable_and_shows_when_it_was_taken(run_on_file: RunTool) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera\x00 Works"
    exif.get_ifd(0x8769)[0x9003] = "2026:10:03 14:05:00"
    ran = await run_on_file("inspect_image", documents.encoded(documents.scene(), exif=exif))
    value = ran.value
    assert (value["usable"], value["problems"]) == (True, [])
    assert (value["width"], value["height"], value["media_type"]) == (900, 700, "image/jpeg")
    assert value["taken_at"] == "2026-10-03T14:05:00"
    assert value["metadata"]["make"] == "Camera Works"


async def test_the_photo_comes_back_without_its_metadata(run_on_file: RunTool) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    ran = await run_on_file("inspect_image", documents.encoded(documents.scene(), exif=exif))
    assert b"SecretCamera" not in ran.files["photo.jpg"]


PROBLEMS: dict[str, tuple[bytes, str]] = {
    "blurred": (documents.encoded(documents.blurred(documents.scene())), "blurred"),
    "black": (documents.encoded(Image.new("RGB", (900, 700), "black")), "too_dark"),
    "white": (documents.encoded(Image.new("RGB", (900, 700), "white")), "too_bright"),
    "one colour": (documents.encoded(Image.new("RGB", (900, 700), (120, 120, 120))), "no_contrast"),
    "tiny": (documents.encoded(documents.scene(size=(120, 90))), "too_small"),
    "cut off": (documents.encoded(documents.scene())[:20_000], "truncated"),
    "header only": (documents.encoded(documents.scene())[:20], "damaged"),
    "huge": (documents.huge_png(), "too_many_pixels"),
    "no picture": (b"Dear Sir or Madam", "mislabelled"),
    "empty": (b"", "empty"),
}


@pytest.mark.parametrize("name", PROBLEMS)
async def test_a_photo_that_cannot_be_judged_says_why(run_on_file: RunTool, name: str) -> None:
    content, code = PROBLEMS[name]
    ran = await run_on_file("inspect_image", content)
    assert not ran.value["usable"]
    assert code in [problem["code"] for problem in ran.value["problems"]]


async def test_a_huge_picture_is_refused_without_being_decoded(run_on_file: RunTool) -> None:
    ran = await run_on_file("inspect_image", documents.huge_png())
    assert ran.value["width"] is None
    assert ran.wall_seconds < 5


async def test_hashes_of_a_copy_agree_and_of_another_photo_do_not(run_on_file: RunTool) -> None:
    original = (await run_on_file("inspect_image", documents.encoded(documents.scene(1)))).value
    small = documents.encoded(documents.scene(1).resize((450, 350)), quality=60)
    copy = (await run_on_file("inspect_image", small)).value
    other = (await run_on_file("inspect_image", documents.encoded(documents.scene(2)))).value
    assert differing_bits(original["phash"], copy["phash"]) <= 8
    assert differing_bits(original["phash"], other["phash"]) > 16


async def test_damaged_metadata_does_not_spoil_the_photo(run_on_file: RunTool) -> None:
    good = documents.encoded(documents.scene())
    segment = b"\xff\xe1" + (2 + 6 + 40).to_bytes(2, "big") + b"Exif\x00\x00" + b"MM\x00*" + b"\xff" * 36
    ran = await run_on_file("inspect_image", good[:2] + segment + good[2:])
    assert ran.value["usable"]
    assert ran.value["taken_at"] is None
