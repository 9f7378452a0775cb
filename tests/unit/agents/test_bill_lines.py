"""Which lines of a bill are added up, and what is said about the sum."""

from decimal import Decimal
from pathlib import Path

import pytest

import overseen.playbooks
from overseen.agents.documents import Document
from overseen.agents.extractor.amounts import find_amounts
from overseen.agents.extractor.bill_lines import SCRIPT, ItemisedBill, itemised
from overseen.domain.facts import Trust
from overseen.tools.builtin.read_pdf import read_pdf
from overseen.tools.sandbox.context import ToolContext
from overseen.tools.sandbox.script import answer
from tests.unit.agents.situations import BILL, MemoryTools, conclude, read_result, situation, verdicts
from tests.unit.agents.test_extractor import BILL_FILE, FILES, LETTER_FILE, extractor, plain_model

SAMPLES = Path(overseen.playbooks.__file__).parent / "claims_intake" / "samples"


def lines_of(text: str, *, recognised: bool = False) -> ItemisedBill | None:
    document = Document(name="bill.pdf", kind="document", text=text, trust=Trust.DOCUMENT, recognised=recognised)
    return itemised(document, tuple(find_amounts(document, "GBP", bare=True)))


def test_lines_between_the_heads_of_columns_and_the_first_sum_are_found() -> None:
    found = lines_of(BILL)
    assert found is not None
    assert found.stated == Decimal("619.00")
    assert found.lines == (
        {"amount": "240.00", "quantity": "5", "unit_price": "48.00"},
        {"amount": "379.00", "quantity": "1", "unit_price": "379.00"},
    )


def test_lines_in_other_languages_and_with_a_description_on_two_lines_are_found() -> None:
    text = "Leistung Menge Einzelpreis Betrag\nAltes Laminat,\nBoden trocknen 6,5 40,00 € 260,00 €\nNetto 260,00 €"
    found = lines_of(text)
    assert found is not None
    assert found.lines == ({"amount": "260.00", "quantity": "6.5", "unit_price": "40.00"},)


@pytest.mark.parametrize(
    "text",
    [
        "Dear Harbour Mutual,\nthe garage wants £742.80 for the door.\nTotal £742.80",
        "Description Amount\nPaint £100.00\nDiscount £10.00\nTotal £90.00",
        "Description Amount\nPaint £100.00\nGoodwill -£10.00\nTotal £90.00",
        "Description Amount\nPaint £100.00 or £90.00 in cash\nTotal £100.00",
        "Description Amount\nPaint £100.00",
        "Description Amount\nTotal £100.00",
    ],
)
def test_where_the_lines_are_not_plain_nothing_is_added_up(text: str) -> None:
    assert lines_of(text) is None


def test_recognised_text_is_not_added_up() -> None:
    assert lines_of(BILL, recognised=True) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("£240.00", "£240.00"), "pass"),
        (("1 £379.00 £379.00", "1 £979.00 £979.00"), "flag"),
        (("5 £48.00 £240.00", "4 £48.00 £240.00"), "flag"),
    ],
)
async def test_a_bill_whose_lines_disagree_with_its_sum_is_flagged(change: tuple[str, str], said: str) -> None:
    agent = extractor(plain_model())
    tools = MemoryTools({}, {**FILES, BILL_FILE.blob: {"read_document": read_result(BILL.replace(*change))}})
    found = await conclude(agent, situation(agent, attachments=(LETTER_FILE, BILL_FILE)), tools)
    assert verdicts(found)["bill_lines_add_up"] == said
    assert [call.tool for call in tools.made] == ["read_document", "read_document", "compute"]


async def test_adding_up_asks_no_model_and_passes_nothing_but_numbers() -> None:
    model = plain_model()
    agent = extractor(model)
    tools = MemoryTools({}, FILES)
    await conclude(agent, situation(agent, attachments=(LETTER_FILE, BILL_FILE)), tools)
    assert [request.purpose for request in model.requests] == ["read_bill", "read_letter"]
    (call,) = [call for call in tools.made if call.tool == "compute"]
    assert "Kestrel" not in str(call.arguments)
    assert "dent" not in str(call.arguments["arguments"])


async def test_a_sum_that_could_not_be_done_is_said_to_be_missing() -> None:
    agent = extractor(plain_model())
    tools = MemoryTools({"compute": {"failed": {"code": "tool_failed", "message": "It failed."}}}, FILES)
    found = await conclude(agent, situation(agent, attachments=(LETTER_FILE, BILL_FILE)), tools)
    assert verdicts(found)["bill_lines_add_up"] == "abstain"


@pytest.mark.parametrize(
    "bill",
    [
        "car_door_plain/estimate_kestrel.pdf",
        "home_german_euro/Kostenvoranschlag Petersen.pdf",
        "travel_spanish_euro/factura.pdf",
    ],
)
def test_bills_of_the_samples_add_up(bill: str) -> None:
    context = ToolContext(inputs="", doors="", output_bytes=1 << 30)
    found = lines_of(str(read_pdf((SAMPLES / bill).read_bytes(), context)["text"]))
    assert found is not None
    arguments = {"lines": [dict(line) for line in found.lines], "stated": str(found.stated)}
    answered = answer({"code": SCRIPT, "arguments": arguments}, context)["result"]
    assert (answered["agrees"], answered["wrong_lines"]) == (True, [])
