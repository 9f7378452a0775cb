"""Papers of one claim held against each other, through the extractor."""

from collections.abc import Mapping
from datetime import date

import pytest

from overseen.agents.agent import Conclude
from tests.unit.agents.situations import BILL, LETTER, MemoryTools, conclude, read_result, said, situation, verdicts
from tests.unit.agents.test_extractor import BILL_FILE, LETTER_FILE, extractor, plain_model

MADE_OUT = BILL.replace("Date:", "Customer: Ms P Raman\nHyundai i20, AB12 CDE\nDate:")
TOLD = LETTER.replace("I left my car", "I left my Hyundai i20 (AB12 CDE)").replace("Reading", "Reading RG2 7PT")


async def read(letter: str = TOLD, bill: str = MADE_OUT, today: date = date(2026, 10, 20)) -> Conclude:
    results = {LETTER_FILE.blob: read_result(letter), BILL_FILE.blob: read_result(bill)}
    files = {blob: {"read_document": result} for blob, result in results.items()}
    agent = extractor(plain_model())
    start = situation(agent, attachments=(LETTER_FILE, BILL_FILE), handed_in=today)
    return await conclude(agent, start, MemoryTools({}, files))


async def test_papers_that_fit_raise_no_doubt() -> None:
    assert set(verdicts(await read()).values()) == {"pass"}


@pytest.mark.parametrize(
    ("changed", "into"),
    [
        ("Ms P Raman", "Mr Gareth Pugh"),
        ("AB12 CDE", "CX68 TTO"),
        ("Hyundai i20, AB12 CDE", "Ford Focus"),
        ("Ms P Raman", "Ms P Raman, 3 High Street, Bath BA1 1AA"),
    ],
    ids=["person", "registration", "vehicle", "address"],
)
async def test_an_estimate_for_somebody_or_something_else_is_flagged(changed: str, into: str) -> None:
    found = await read(bill=MADE_OUT.replace(changed, into))
    assert verdicts(found)["papers_about_the_same"] == "flag"


async def test_a_receipt_that_names_nobody_is_no_doubt() -> None:
    assert verdicts(await read(bill=BILL))["papers_about_the_same"] == "pass"


async def test_another_policy_number_on_the_bill_is_flagged() -> None:
    found = await read(bill=MADE_OUT.replace("Date:", "Your policy CAR-9999-ZZ\nDate:"))
    assert said(found, "ids_consistent") == [{"policy_numbers": ["CAR-2214-KL", "CAR-9999-ZZ"]}]


@pytest.mark.parametrize(
    ("bill", "letter", "today"),
    [
        ({}, {}, date(2026, 9, 1)),
        ({}, {}, date(2028, 1, 1)),
        ({"15/10/2026": "13/10/2026"}, {}, date(2026, 10, 20)),
        ({"15/10/2026": "15/10/2027"}, {}, date(2026, 10, 20)),
        ({}, {"16 October 2026": "12 October 2026"}, date(2026, 10, 20)),
    ],
    ids=["incident in the future", "long ago", "bill before it", "bill in the future", "letter before it"],
)
async def test_a_day_that_cannot_be_is_flagged(bill: Mapping[str, str], letter: Mapping[str, str], today: date) -> None:
    changed = {"bill": MADE_OUT, "letter": TOLD}
    for name, changes in (("bill", bill), ("letter", letter)):
        for old, new in changes.items():
            changed[name] = changed[name].replace(old, new)
    assert verdicts(await read(**changed, today=today))["dates_fit"] == "flag"


async def test_a_day_until_which_an_offer_holds_dates_no_bill() -> None:
    assert verdicts(await read(bill=MADE_OUT + "Valid until 30/11/2026\n"))["dates_fit"] == "pass"


async def test_a_letter_signed_by_another_member_of_the_family_is_flagged() -> None:
    found = await read(TOLD.replace("Many thanks,\nPriya Raman", "Many thanks,\nAsha"))
    assert verdicts(found)["signed_by_claimant"] == "flag"


async def test_a_letter_signed_with_a_first_name_that_names_nobody_else_cannot_be_judged() -> None:
    nameless = TOLD.replace("Priya Raman\n14", "14").replace("Many thanks,\nPriya Raman", "Many thanks,\nAsha")
    assert verdicts(await read(nameless, BILL))["signed_by_claimant"] == "abstain"
