"""JSONL, OCSF and CEF, as strict as their readers."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from overseen.api.exports.cef import cef_line, extension_value, header_value
from overseen.api.exports.formats import ExportFormat, export_lines
from overseen.api.exports.moments import Happening, lease_events
from overseen.api.exports.ocsf import CLASS_UID, ocsf_event
from overseen.api.reading.lease_views import LeaseView
from tests.unit.api.lease_examples import ALL, CLOSED, INTENT, LIVE, REFUSED, REVOKING
from tests.unit.api.ocsf_schema import attributes, problems, schema


async def lines(chosen: ExportFormat, *leases: LeaseView) -> list[str]:
    async def given() -> AsyncIterator[LeaseView]:
        for lease in leases:
            yield lease

    return [line async for line in export_lines(given(), chosen)]


@pytest.mark.parametrize(
    ("lease", "happenings"),
    [(CLOSED, ["granted", "ended"]), (LIVE, ["granted"]), (REFUSED, ["denied"]), (INTENT, [])],
)
def test_a_lease_makes_an_event_when_privileges_come_and_when_they_go(lease: LeaseView, happenings: list[str]) -> None:
    assert [event.happening.value for event in lease_events(lease)] == happenings


@pytest.mark.parametrize("state", ALL)
def test_every_event_fits_the_published_schema(state: str) -> None:
    for event in lease_events(ALL[state]):
        assert problems(ocsf_event(event, version="0.1.0"), "user_access", kind="events") == []


def test_the_check_itself_notices_what_does_not_fit() -> None:
    event = ocsf_event(lease_events(CLOSED)[0], version="0.1.0")
    broken = {**event, "severity_id": 42, "time": "today", "colour": "red", "user": {"type_id": 4}}
    del broken["privileges"]
    found = " ".join(problems(broken, "user_access", kind="events"))
    for complaint in (
        "severity_id: 42",
        "time: 'today'",
        "colour is not known",
        "at_least_one",
        "privileges is missing",
    ):
        assert complaint in found


def test_the_numbers_are_those_of_the_class_and_its_names_those_of_the_schema() -> None:
    described = schema()["events"]["user_access"]
    category = schema()["categories_meta"]["attributes"]["iam"]
    for event in (ocsf_event(item, version="0.1.0") for item in lease_events(CLOSED)):
        assert CLASS_UID == event["class_uid"] == category["uid"] * 1000 + described["uid"]
        assert event["type_uid"] == CLASS_UID * 100 + int(str(event["activity_id"]))
        assert (event["class_name"], event["category_name"]) == (described["caption"], category["caption"])
        enums = attributes("events", "user_access")
        for number, name in (("activity_id", "activity_name"), ("severity_id", "severity"), ("status_id", "status")):
            assert enums[number]["enum"][str(event[number])]["caption"] == event[name]


def test_an_end_that_is_not_proven_is_no_success() -> None:
    event = ocsf_event(lease_events(REVOKING)[-1], version="0.1.0")
    assert (event["status"], event["severity"]) == ("Unknown", "High")


@pytest.mark.parametrize(
    ("text", "header", "extension"),
    [
        ("a|b", "a\\|b", "a|b"),
        ("a=b", "a=b", "a\\=b"),
        ("a\\b", "a\\\\b", "a\\\\b"),
        ("a\\=|b", "a\\\\=\\|b", "a\\\\\\=|b"),
        ("a\nb\r\nc\rd", "a b c d", "a\\nb\\r\\nc\\rd"),
        ("a\u2028b\x00c\td", "a b c d", "a b c d"),
    ],
)
def test_cef_escapes_as_its_standard_says(text: str, header: str, extension: str) -> None:
    assert (header_value(text), extension_value(text)) == (header, extension)


def parsed(line: str) -> tuple[list[str], dict[str, str]]:
    """As a reader of CEF takes a record apart."""
    *head, extension = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    keys = list(re.finditer(r"(?:^| )(\w+)(?<!\\)=", extension))
    ends = [key.start() for key in keys[1:]] + [len(extension)]
    unescape = {"\\\\": "\\", "\\=": "=", "\\n": "\n", "\\r": "\r"}
    return head, {
        key[1]: re.sub(r"\\[\\=nr]", lambda found: unescape[found[0]], extension[key.end() : end])
        for key, end in zip(keys, ends, strict=True)
    }


def test_whatever_a_lease_says_a_record_is_one_line_and_reads_back() -> None:
    hostile = "x|y=z\\\nact=granted outcome\\=success\r| \u2029CEF:0|"
    lease = replace(REFUSED, reason=hostile, tool="pay=all|now")
    line = cef_line(lease_events(lease)[0], version="0.1.0")
    head, fields = parsed(line)
    assert len(line.splitlines()) == 1
    assert head[:6] == ["CEF:0", "Overseen", "Overseen", "0.1.0", "lease-denied", "Credential denied"]
    assert fields["reason"] == hostile.replace("\u2029", " ")
    assert (fields["act"], fields["outcome"], fields["dproc"]) == ("denied", "failure", "pay=all|now")


@pytest.mark.parametrize("state", ALL)
def test_cef_has_a_label_for_every_custom_field_and_none_without(state: str) -> None:
    for event in lease_events(ALL[state]):
        head, fields = parsed(cef_line(event, version="0.1.0"))
        assert 0 <= int(head[6]) <= 10
        for name in [name for name in fields if re.fullmatch(r"(cs|deviceCustomDate)\d", name)]:
            assert fields[f"{name}Label"]
        for name in [name for name in fields if name.endswith("Label")]:
            assert fields[name.removesuffix("Label")]


async def test_formats_are_one_record_a_line() -> None:
    assert json.loads((await lines(ExportFormat.JSONL, CLOSED))[0])["principals"] == ["v-insurer-pay-k2"]
    assert [json.loads(line)["activity_id"] for line in await lines(ExportFormat.OCSF, CLOSED, REFUSED)] == [1, 2, 1]
    for chosen in ExportFormat:
        assert all(line.endswith("\n") and line.count("\n") == 1 for line in await lines(chosen, *ALL.values()))


def test_events_keep_their_id_whenever_they_are_exported() -> None:
    ids = [event.event_id for lease in ALL.values() for event in lease_events(lease)]
    assert ids[:2] == [f"lease_1:{Happening.GRANTED}", f"lease_1:{Happening.ENDED}"]
