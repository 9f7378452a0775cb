"""Which bill it is, by what stands on it."""

import pytest

from overseen.agents.documents import Document
from overseen.agents.extractor.bill_identity import find_bill_number, find_issuer
from overseen.domain.facts import Trust


def bill(text: str) -> Document:
    return Document(name="bill.txt", kind="document", text=text, trust=Trust.DOCUMENT)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Marsh Joinery\nInvoice no. MJ 4471\nTotal 90.00", "MJ4471"),
        ("INVOICE\nNo. 31\nDate: 02/03/2025\nTotal 90.00", "31"),
        ("Rechnung Nr. 2025/0918\nGesamt 90,00", "2025/0918"),
        ("Till 3\nReceipt 00517-22\nTOTAL 12.40", "00517-22"),
        ("Facture n° FA-88.\nTotal TTC 40,00", "FA-88"),
        ("VAT reg. no. GB 318 2047 55\nTel. no. 0118 496 0142\nTotal 12.40", None),
        ("Invoice 05/03/2025\nTotal 12.40", None),
        ("Invoice total 12.40", None),
        ("Estimate valid for 30 days", None),
    ],
)
def test_a_bill_is_known_by_the_number_it_gives_itself(text: str, number: str | None) -> None:
    document = bill(text)
    found = find_bill_number(document)
    assert (found and found[0]) == number
    if found:
        assert document.text[found[1].start : found[1].end] == found[1].quote


@pytest.mark.parametrize(
    ("text", "issuer"),
    [
        ("INVOICE\n\nMarsh Joinery\n4 Quay Lane\nTotal 90.00", "Marsh Joinery"),
        ("Fine work since 1970\nMarsh Joinery Ltd\nInvoice 4471", "Marsh Joinery Ltd"),
        ("12/03/2025\n90.00", None),
    ],
)
def test_a_bill_is_known_by_who_made_it_out(text: str, issuer: str | None) -> None:
    found = find_issuer(bill(text))
    assert (found and found[0]) == issuer
