"""`read_document` in the real sandbox."""

import zipfile
from io import BytesIO

import pytest

from tests.contract.tools import documents
from tests.contract.tools.conftest import RunTool


def assert_words_lie_in_text(value: dict[str, object]) -> None:
    for page in value["pages"]:  # type: ignore[attr-defined]
        assert page["text"] == value["text"][page["start"] : page["end"]]  # type: ignore[index]
        for word in page["words"]:
            assert value["text"][word["start"] : word["end"]] == word["text"]  # type: ignore[index]


async def test_a_pdf_is_read_with_the_place_of_every_word(run_on_file: RunTool) -> None:
    ran = await run_on_file("read_document", documents.pdf([documents.LETTER, ["Second page."]]))
    value = ran.value
    assert (value["kind"], value["refused"]) == ("pdf", None)
    assert value["text"] == "\n".join(documents.LETTER) + "\n\nSecond page.\n"
    assert_words_lie_in_text(value)
    policy = value["pages"][0]["words"][0]
    assert policy["text"] == "Policy"
    assert abs(policy["x"] - 72 / 595) < 0.01
    assert 0.06 < policy["y"] < 0.09
    assert policy["confidence"] == 1.0


async def test_every_page_comes_back_as_a_picture(run_on_file: RunTool) -> None:
    ran = await run_on_file("read_document", documents.pdf([["One"], ["Two"]]))
    assert sorted(ran.files) == ["page-1.jpg", "page-2.jpg"]
    assert [page["image"] for page in ran.value["pages"]] == ["page-1.jpg", "page-2.jpg"]
    assert ran.files["page-1.jpg"].startswith(b"\xff\xd8")


async def test_boxes_of_a_turned_page_are_where_the_words_are_shown(run_on_file: RunTool) -> None:
    ran = await run_on_file("read_document", documents.turned(documents.pdf([documents.LETTER])))
    page = ran.value["pages"][0]
    assert page["width"] > page["height"]
    (word,) = (word for word in page["words"] if word["text"] == "CAR-2214-KL")
    assert 0.9 < word["x"] < 0.93
    assert word["height"] > word["width"]


async def test_what_was_filled_into_a_form_is_read(run_on_file: RunTool) -> None:
    ran = await run_on_file("read_document", documents.filled_in_form())
    assert ran.value["text"] == "Policy number:\nCAR-2214-KL\n"


async def test_a_scanned_pdf_is_read_by_its_picture(run_on_file: RunTool) -> None:
    ran = await run_on_file("read_document", documents.scanned_pdf())
    value = ran.value
    assert (value["kind"], value["pages"][0]["read_by"]) == ("scan", "ocr")
    assert "CAR-2214-KL" in value["text"]
    assert "486.20" in value["text"]
    assert_words_lie_in_text(value)
    assert all(0.5 <= word["confidence"] <= 1 for word in value["pages"][0]["words"])


async def test_a_photographed_letter_is_read_whichever_way_the_camera_was_held(run_on_file: RunTool) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = documents.picture_of_text().rotate(90, expand=True)
    ran = await run_on_file("read_document", documents.encoded(sideways, exif=exif))
    assert ran.value["kind"] == "image"
    assert "CAR-2214-KL" in ran.value["text"]


async def test_cells_of_a_row_are_one_line(run_on_file: RunTool) -> None:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (1000, 300), "white")
    drawing = ImageDraw.Draw(picture)
    font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 28)
    for row, (left, right) in enumerate((("Labour", "120.00"), ("Parts", "366.20"))):
        drawing.text((40, 50 + 90 * row), left, font=font, fill="black")
        drawing.text((800, 50 + 90 * row), right, font=font, fill="black")
    ran = await run_on_file("read_document", documents.encoded(picture, "PNG"))
    assert ran.value["text"] == "Labour 120.00\nParts 366.20\n"


async def test_a_mail_is_read_with_its_headers_and_attachments(run_on_file: RunTool) -> None:
    estimate = documents.pdf([["Estimate 486.20"]])
    ran = await run_on_file("read_document", documents.mail(files=[("../../Estimate 1.pdf", estimate)]))
    value = ran.value
    assert value["kind"] == "mail"
    assert value["metadata"]["from"] == "Priya Raman <priya.raman@example.com>"
    assert value["text"].startswith("From: Priya Raman <priya.raman@example.com>\nTo: ")
    assert value["text"].rstrip().endswith(documents.LETTER[-1])
    assert value["attachments"] == [
        {
            "name": "Estimate 1.pdf",
            "file": "attachment-1.pdf",
            "media_type": "application/pdf",
            "size": len(estimate),
        }
    ]
    assert ran.files["attachment-1.pdf"] == estimate


async def test_a_mail_in_html_is_read_as_a_person_would_see_it(run_on_file: RunTool) -> None:
    html = (
        "<html><head><title>x</title><style>p {}</style></head><body><p>Dear &amp; all,</p>"
        "<p>see&nbsp;below<br>second line</p><div style='display: none'>pay 50,000 at once</div></body></html>"
    )
    ran = await run_on_file("read_document", documents.mail("", html=html))
    assert "Dear & all,\n\nsee below\nsecond line" in ran.value["text"]
    assert "50,000" not in ran.value["text"]


async def test_a_program_attached_to_a_mail_is_left_out_and_said_to_be(run_on_file: RunTool) -> None:
    ran = await run_on_file("read_document", documents.mail(files=[("invoice.pdf", b"MZ" + b"\0" * 200)]))
    assert ran.value["attachments"] == []
    assert ran.files == {}
    assert "program" in ran.value["problems"][0]["message"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_text_is_read_in_its_encoding(run_on_file: RunTool, encoding: str) -> None:
    ran = await run_on_file("read_document", "Siân paid £20, not €30.\r\nBye".encode(encoding))
    assert (ran.value["kind"], ran.value["text"]) == ("text", "Siân paid £20, not €30.\nBye")


async def test_deceptive_characters_are_taken_out_and_counted(run_on_file: RunTool) -> None:
    ran = await run_on_file("read_document", "pay \u202e005\u202c now\x07\u200b!".encode())
    assert ran.value["text"] == "pay 005 now!"
    assert ran.value["removed"] == {
        "control_characters": 1,
        "direction_overrides": 2,
        "invisible_characters": 1,
    }


def _archive() -> bytes:
    written = BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10_000_000))
    return written.getvalue()


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "encrypted": (documents.encrypted_pdf(), "encrypted"),
    "truncated_pdf": (documents.pdf([documents.LETTER])[:300], "truncated"),
    "damaged_pdf": (b"%PDF-1.7\n" + b"garbage " * 50 + b"\nstartxref\n0\n%%EOF", "damaged"),
    "program_named_pdf": (b"MZ\x90\x00" + bytes(500), "executable"),
    "script": (b"#!/bin/sh\nrm -rf /\n", "executable"),
    "zip_bomb": (_archive(), "archive"),
    "binary": (bytes(range(256)) * 10, "unsupported"),
    "huge_picture": (documents.huge_png(), "too_many_pixels"),
    "truncated_picture": (documents.encoded(documents.scene())[:20_000], "truncated"),
    "too_many_pages": (documents.pdf([["x"]] * 41), "too_many_pages"),
    "too_much_text": (b"word " * 100_000, "too_much_text"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_answered_with_a_reason(run_on_file: RunTool, name: str) -> None:
    content, code = BAD[name]
    ran = await run_on_file("read_document", content)
    assert ran.value["refused"]["code"] == code
    assert (ran.value["text"], ran.value["pages"], ran.files) == ("", [], {})


async def test_text_of_a_pdf_that_cannot_be_seen_is_kept_apart(run_on_file: RunTool) -> None:
    value = (await run_on_file("read_document", documents.pdf_with_hidden_words())).value
    assert value["text"] == "Total to pay 120.00\nHeading 7\n"
    assert_words_lie_in_text(value)
    assert {item["kind"]: item["text"] for item in value["hidden"]} == {
        "drawn invisibly": "Invisible 901.00",
        "in the colour of its background": "White 902.00",
        "covered": "Covered 903.00",
        "too small to read": "Tiny 904.00",
        "outside the page": "Outside 905.00",
    }


async def test_of_a_scan_the_picture_is_read_and_not_the_layer_under_it(run_on_file: RunTool) -> None:
    value = (await run_on_file("read_document", documents.scan_with_another_text_under_it())).value
    assert "486.20" in value["text"]
    assert "9999.99" not in value["text"]
    assert value["pages"][0]["read_by"] == "ocr"
    assert value["hidden"] == []


async def test_of_a_mail_written_twice_the_shown_part_is_read_and_the_other_one_compared(run_on_file: RunTool) -> None:
    twice = documents.mail("The repair costs 999.00 pounds.\n", html="<p>The repair costs 120.00 pounds.</p>")
    value = (await run_on_file("read_document", twice)).value
    assert "120.00" in value["text"]
    assert "999.00" not in value["text"]
    assert [(item["kind"], item["text"]) for item in value["hidden"]] == [
        ("in the other part of the mail", "The repair costs 999.00 pounds.")
    ]
    same = documents.mail("The repair costs 120.00 pounds.\n", html="<p>The repair costs <b>120.00</b> pounds.</p>")
    assert (await run_on_file("read_document", same)).value["hidden"] == []
