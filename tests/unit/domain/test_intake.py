"""What may be handed in."""

import struct

import pytest

from overseen.domain.clean_text import clean_text
from overseen.domain.intake import MOST_BYTES, accept_attachment, accept_attachments, clean_name
from overseen.errors import InvalidInput

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer <</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(9) + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 480, 640) + bytes(20)
)
MAIL = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: Hi\r\n\r\nHello\r\n"


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height) + bytes(40)


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("estimate.pdf", PDF, "application/pdf"),
        ("letter.eml", MAIL, "message/rfc822"),
        ("letter.txt", "Siân’s claim".encode(), "text/plain"),
        ("photo.jpg", JPEG, "image/jpeg"),
        ("photo.jpg", png(800, 600), "image/png"),
        ("no ending", PDF, "application/pdf"),
        ("utf16.txt", "Hello there".encode("utf-16"), "text/plain"),
    ],
)
def test_a_file_is_typed_by_its_content(name: str, content: bytes, media_type: str) -> None:
    assert accept_attachment(name, content).media_type == media_type


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.pdf", b"", "is empty"),
        ("invoice.pdf", b"MZ\x90\x00" + bytes(100), "is a program"),
        ("invoice.pdf", b"\x7fELF" + bytes(100), "is a program"),
        ("run.txt", b"#!/bin/sh\nrm -rf /\n", "is a program"),
        ("bomb.pdf", b"PK\x03\x04" + bytes(100), "is an archive"),
        ("letter.docx", b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "office document"),
        ("letter.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "Outlook"),
        ("photo.heic", bytes(4) + b"ftypheic" + bytes(100), "HEIC"),
        ("estimate.pdf", JPEG, "is not what its name says"),
        ("photo.jpg", PDF, "is not what its name says"),
        ("page.txt", b"<!DOCTYPE html><html></html>", "web page"),
        ("secret.pdf", PDF.replace(b"<</Root", b"<</Encrypt 5 0 R /Root"), "password"),
        ("half.pdf", PDF[:30], "cut off"),
        ("big.png", png(20_000, 20_000), "20,000 x 20,000 pixels"),
        ("noise", bytes(range(256)) * 4, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_reason(name: str, content: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        accept_attachment(name, content)
    assert caught.value.not_done == "Nothing was stored."
    assert caught.value.next_step


def test_a_file_over_the_limit_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"25\.0 MB"):
        accept_attachment("big.txt", b"a" * (MOST_BYTES + 1))


def test_a_damaged_photo_is_accepted_for_the_vision_checker_to_judge() -> None:
    assert accept_attachment("photo.jpg", JPEG[:24]).media_type == "image/jpeg"


def test_too_many_files_are_refused_before_any_is_looked_at() -> None:
    with pytest.raises(InvalidInput, match="200 files are too many"):
        accept_attachments([("a.txt", b"")] * 200)


def test_of_several_files_one_bad_one_stops_all() -> None:
    with pytest.raises(InvalidInput, match="bad"):
        accept_attachments([("good.txt", b"Hello"), ("bad.txt", b"")])


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\letter.pdf", "letter.pdf"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("a\x00b\nc.txt", "ab c.txt"),
        ("  .hidden ", "hidden"),
        ("", "attachment"),
        ("...", "attachment"),
        ('a<b>"c".pdf', "a_b__c_.pdf"),
        ("Schätzung Müller.pdf", "Schätzung Müller.pdf"),
    ],
)
def test_names_are_made_safe_to_show(given: str, cleaned: str) -> None:
    assert clean_name(given) == cleaned


def test_a_long_name_keeps_its_ending() -> None:
    cleaned = clean_name("x" * 500 + ".pdf")
    assert (len(cleaned), cleaned[-4:]) == (120, ".pdf")


def test_text_loses_what_deceives_and_says_how_much() -> None:
    cleaned = clean_text("a\u202eb\r\nc\x1b[31m\u200bd\U000e0041")
    assert cleaned.text == "ab\nc[31md"
    assert (cleaned.direction_overrides, cleaned.control_characters, cleaned.invisible_characters) == (1, 1, 2)


def test_ordinary_text_is_left_as_it_is() -> None:
    text = "Zażółć gęślą jaźń – 20 € 👍\tfin\n"
    assert (clean_text(text).text, clean_text(text).removed) == (text, 0)
