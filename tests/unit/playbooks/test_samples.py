"""The sample cases: the truth they state follows from the rules, and the files are what they claim to be."""

import email
import email.policy
import io
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import imagehash
import pypdfium2
import pytest
from PIL import Image

from overseen.errors import NotFound
from overseen.playbooks import SampleCase, load_samples
from overseen.playbooks.samples import load_suite, suite_names
from tests.unit.playbooks.tables import CLAIMS, boundary_rows, level_of, outcome_of

CASES = {case.case_id: case for case in load_samples(CLAIMS)}
PLAYBOOK = CLAIMS.folder
SEED = (PLAYBOOK / "insurer_seed.sql").read_text(encoding="utf-8")
BLOCKING = {"instructions_in_document"}


def files_of(case: SampleCase) -> Iterator[tuple[str, bytes]]:
    """Every file of a case, those inside mails included."""
    for path in case.attachments:
        content = path.read_bytes()
        yield path.name, content
        if path.suffix == ".eml":
            mail = email.message_from_bytes(content, policy=email.policy.default)
            body = mail.get_body()
            assert body is not None
            yield f"{path.name}.txt", body.get_content().encode()
            for part in mail.iter_attachments():
                yield part.get_filename() or "", part.get_payload(decode=True)  # type: ignore[misc]


def text_of(case: SampleCase) -> str:
    texts = [case.message]
    for name, content in files_of(case):
        if name.endswith(".pdf"):
            with pypdfium2.PdfDocument(content) as document:
                texts += [page.get_textpage().get_text_range() for page in document]
        elif name.endswith(".txt"):
            texts.append(content.decode())
    return "\n".join(texts)


def photos_of(case: SampleCase) -> dict[str, bytes]:
    return {
        name: content for name, content in files_of(case) if re.search(r"\.(jpg|png)$", name) and "receipt" not in name
    }


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_rules_come_to_the_stated_outcome_amount_and_boundary(case: SampleCase) -> None:
    expected = case.expected
    outcome, amount, _ = outcome_of(expected.facts)
    flagged = [name for name in expected.findings if name not in BLOCKING]
    blocked = [name for name in expected.findings if name in BLOCKING]
    level = level_of(boundary_rows(expected.facts, flagged=flagged, blocked=blocked))
    assert (outcome, amount, level) == (expected.outcome, expected.amount, expected.boundary)
    alone = "settled" if outcome == "settle" else "waiting_requester"
    assert expected.run_state == (alone if level == "automate" else "waiting_review")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_sums_that_are_expected_can_be_read_in_the_papers(case: SampleCase) -> None:
    text = text_of(case)
    plain = text.replace(",", "") + text.replace(".", "").replace(",", ".")
    for name in ("claimed_amount", "estimate_total"):
        value = case.expected.facts.get(name)
        if isinstance(value, str) and "scan" not in case.tags and "receipt" not in case.tags:
            assert value in plain or value.removesuffix(".00") in plain, name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_policy_of_a_case_is_seeded_as_the_case_says(case: SampleCase) -> None:
    number, holder = case.expected.facts.get("policy_number"), case.expected.facts.get("policy_holder")
    if number is None:
        return
    row = re.search(rf"\('{number}', '\w+', '((?:[^']|'')+)', '[^']+', '(\w+)'.*\)", SEED)
    if case.expected.facts["policy_found"]:
        assert row is not None
        assert (row[1].replace("''", "'"), row[2]) == (holder, case.expected.facts["policy_status"])
    else:
        assert row is None


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_mail_addresses_are_of_reserved_domains(case: SampleCase) -> None:
    addresses = re.findall(r"[\w.+-]+@([\w.-]+\w)", text_of(case))
    assert all(re.search(r"(^|\.)example\.(com|org|net)$", domain) for domain in addresses)


def test_there_are_enough_cases_of_every_kind() -> None:
    levels = [case.expected.boundary.value for case in CASES.values()]
    assert len(CASES) >= 18
    assert levels.count("automate") >= 4
    assert {case.expected.outcome.value for case in CASES.values()} == {"settle", "deny", "ask", "refer"}
    names = [name for case in CASES.values() for name, _ in files_of(case)]
    assert {Path(name).suffix for name in names} == {".eml", ".txt", ".pdf", ".jpg", ".png"}


def test_all_samples_together_stay_small() -> None:
    size = sum(path.stat().st_size for path in (PLAYBOOK / "samples").rglob("*") if path.is_file())
    assert size < 6_000_000


def test_the_scanned_letter_has_no_text_layer() -> None:
    scan = next(path for path in CASES["home_scanned_letter"].attachments if "scan" in path.name)
    with pypdfium2.PdfDocument(scan) as document:
        assert document[0].get_textpage().get_text_range().strip() == ""


def test_the_duplicate_photo_has_the_hashes_of_an_earlier_claim() -> None:
    (content,) = photos_of(CASES["car_duplicate_photo"]).values()
    with Image.open(io.BytesIO(content)) as picture:
        hashes = f"'{imagehash.phash(picture, hash_size=8)}', '{imagehash.dhash(picture, hash_size=8)}'"
    assert hashes in SEED


def test_no_other_photo_comes_near_one_of_an_earlier_claim() -> None:
    known = [
        (imagehash.hex_to_hash(phash), imagehash.hex_to_hash(dhash))
        for phash, dhash in re.findall(r"'([0-9a-f]{16})', '([0-9a-f]{16})'", SEED)
    ]
    assert len(known) == 7
    for case_id, case in CASES.items():
        if case_id == "car_duplicate_photo":
            continue
        for name, content in photos_of(case).items():
            if "corrupt" in case.tags and name == "photo2.jpg":
                continue
            with Image.open(io.BytesIO(content)) as picture:
                seen = imagehash.phash(picture), imagehash.dhash(picture)
            nearest = min(max(int(seen[0] - phash) - 8, int(seen[1] - dhash) - 12) for phash, dhash in known)
            assert nearest > 0, (case_id, name)


def test_photos_with_a_date_were_taken_after_the_incident_except_where_the_case_is_about_it() -> None:
    for case_id, case in CASES.items():
        incident = case.expected.facts.get("incident_date")
        for name, content in photos_of(case).items():
            stamp = Image.open(io.BytesIO(content)).getexif().get_ifd(0x8769).get(36867)
            if stamp is None or not isinstance(incident, str):
                continue
            taken = datetime.strptime(stamp, "%Y:%m:%d %H:%M:%S").date().isoformat()  # noqa: DTZ007 - EXIF is local
            assert (taken < incident) == (case_id == "car_photo_before_incident"), (case_id, name)


def test_the_corrupt_photo_cannot_be_decoded_and_all_others_can() -> None:
    for case_id, case in CASES.items():
        for name, content in photos_of(case).items():
            if (case_id, name) == ("home_corrupt_photo", "photo2.jpg"):
                with pytest.raises(OSError, match="truncated"):
                    Image.open(io.BytesIO(content)).load()
            else:
                Image.open(io.BytesIO(content)).load()


def test_what_must_not_be_sent_out_stands_in_the_papers_handed_in() -> None:
    case = CASES["car_third_party_data"]
    text = " ".join(text_of(case).split())
    assert case.expected.absent_texts
    assert [item for item in case.expected.absent_texts if item not in text] == []


def test_suites_are_found_by_name_and_hold_enough_cases_of_their_own() -> None:
    assert suite_names() == ("claims_intake", "claims_fresh")
    assert {case.case_id for case in load_suite("claims_intake")} == set(CASES)
    fresh = load_suite("claims_fresh")
    assert len(fresh) >= 30
    assert not {case.case_id for case in fresh} & set(CASES)
    assert all(case.handed_in for case in fresh)


def test_a_suite_that_there_is_not_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="claims_old") as caught:
        load_suite("claims_old")
    assert "claims_intake, claims_fresh" in caught.value.next_step
