"""What code finds in texts by patterns."""

from datetime import date
from decimal import Decimal

import pytest

from overseen.agents.documents import Document
from overseen.agents.extractor.amounts import document_currency, find_amounts, parse_amount
from overseen.agents.extractor.bills import find_total
from overseen.agents.extractor.candidates import each_value_once
from overseen.agents.extractor.cues import (
    bill_kind,
    denies_injury,
    detect_language,
    injury_cue,
    second_claim_cue,
    sentences,
)
from overseen.agents.extractor.dates import find_dates, written_on
from overseen.agents.extractor.identifiers import (
    find_accounts,
    find_names,
    find_policy_numbers,
    iban_holds,
    without_short_forms,
)
from overseen.domain.facts import Trust
from tests.unit.agents.situations import BILL, LETTER

WRITTEN = date(2026, 10, 16)  # a Friday


def text(content: str, **metadata: str) -> Document:
    return Document(name="x", kind="document", text=content, trust=Trust.DOCUMENT, metadata=metadata)


def dates(content: str, written: date | None = WRITTEN, day_first: bool = True) -> list[str]:
    return [str(item.value) for item in find_dates(text(content), written, day_first)]


@pytest.mark.parametrize(
    ("content", "day"),
    [
        ("on Wednesday 14 October 2026 I", "2026-10-14"),
        ("On the 3rd of October, a Saturday", "2026-10-03"),
        ("on October 3rd, 2026", "2026-10-03"),
        ("am 3. Oktober 2026 gegen", "2026-10-03"),
        ("el 3 de octubre de 2026 por", "2026-10-03"),
        ("le 1er octobre 2026", "2026-10-01"),
        ("on 21/09/26 I flew", "2026-09-21"),
        ("9.10.2026, at 19.30", "2026-10-09"),
        ("on 10/25/2026 it", "2026-10-25"),
        ("2026-10-09T10:00", "2026-10-09"),
        ("it happened on 5/10 at night", "2026-10-05"),
        ("yesterday at noon", "2026-10-15"),
        ("on Saturday the", "2026-10-10"),
        ("on 12 December it froze", "2025-12-12"),
    ],
)
def test_a_day_is_read_however_it_is_written(content: str, day: str) -> None:
    assert dates(content) == [day]


def test_slashes_are_month_first_where_the_region_writes_so() -> None:
    assert dates("on 10/09/2026", day_first=False) == ["2026-10-09"]
    assert dates("on 10/09/2026") == ["2026-09-10"]


@pytest.mark.parametrize(
    "content",
    [
        "sort code 20-45-11",
        "call 07700 900123",
        "on 31 February 2026",
        "version 1.2.3",
        "it may 5 times",
        "09-01-50 40917726",
    ],
)
def test_what_only_looks_like_a_date_is_none(content: str) -> None:
    assert [day for day in dates(content) if day != "2026-05-05"] == []


def test_a_day_without_a_year_is_left_out_when_nobody_says_when_it_was_written() -> None:
    assert dates("on 3rd of October and yesterday", written=None) == []


def test_a_mail_says_when_it_was_written_and_its_header_tells_no_incident() -> None:
    mail = text(
        "Date: Mon, 12 Oct 2026 14:22:07 +0100\n\nIt burst on the 3rd of October.",
        date="Mon, 12 Oct 2026 14:22:07 +0100",
    )
    assert written_on(mail, True) == date(2026, 10, 12)
    assert [item.value for item in find_dates(mail, date(2026, 10, 12), True)] == ["2026-10-03"]


@pytest.mark.parametrize(
    ("number", "amount"),
    [
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1 234,50", "1234.50"),
        ("50,000", "50000.00"),
        ("742.80", "742.80"),
        ("12,5", "12.50"),
        ("588", "588.00"),
        ("1.250", "1250.00"),
    ],
)
def test_an_amount_is_exact_however_it_is_written(number: str, amount: str) -> None:
    assert parse_amount(number) == Decimal(amount)


def test_sums_in_a_letter_carry_a_currency() -> None:
    found = list(
        find_amounts(text("I paid £289.00, 20 euros and 588 quid for 3 nights in room 12."), "GBP", bare=False)
    )
    assert [(item.value, item.currency) for item in found] == [
        (Decimal("289.00"), "GBP"),
        (Decimal("20.00"), "EUR"),
        (Decimal("588.00"), "GBP"),
    ]


def test_a_bill_may_name_its_currency_once() -> None:
    bill = text("Alle Preise in EUR\nArbeit 120,00\nGesamt 142,80")
    assert document_currency(bill) == "EUR"
    assert [(item.value, item.currency) for item in find_amounts(bill, "GBP", bare=True)] == [
        (Decimal("120.00"), "EUR"),
        (Decimal("142.80"), "EUR"),
    ]


def test_the_total_is_the_one_its_parts_add_up_to() -> None:
    bill = text(BILL + "The correct total is 50000.00 GBP")
    total = find_total(bill, list(find_amounts(bill, "GBP", bare=True)))
    assert total is not None
    assert (total.total.value, total.proven) == (Decimal("742.80"), True)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("CAR-2214-KL", "CAR-2214-KL"),
        ("car-2214-kl", "CAR-2214-KL"),
        ("CAR 2214 KL", "CAR-2214-KL"),
        ("TRV–0092–QD", "TRV-0092-QD"),
        ("H0M-44Z1-BX", "HOM-4421-BX"),
        ("CAR2214KL", "CAR-2214-KL"),
    ],
)
def test_a_policy_number_is_read_in_spite_of_spelling_and_recognition(written: str, number: str) -> None:
    assert [item.value for item in find_policy_numbers(text(f"my policy {written}, thanks"))] == [number]


@pytest.mark.parametrize(
    ("written", "account"),
    [
        ("sort code 20-45-11, account 60317752", "20-45-11 60317752"),
        ("20-91-48,\n73005518", "20-91-48 73005518"),
        ("account 11402936, sort code 60-83-71", "60-83-71 11402936"),
        ("IBAN DE89370400440532013000", "DE89 3704 0044 0532 0130 00"),
    ],
)
def test_an_account_is_read_in_its_normal_form(written: str, account: str) -> None:
    assert account in [item.value for item in find_accounts(text(written))]


def test_an_iban_with_a_wrong_digit_is_none() -> None:
    assert iban_holds("GB29NWBK60161331926819")
    assert not iban_holds("GB29NWBK60161331926818")
    assert list(find_accounts(text("DE89 3704 0044 0532 0130 01"))) == []


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (LETTER, "Priya Raman"),
        ("Hello, my name is Tomasz Zieliński and my case broke.", "Tomasz Zieliński"),
        ("policy CAR-8052-WB\nname Callum Reid\n\non monday", "Callum Reid"),
        ("It broke.\n\nYours faithfully,\nDorothy Hargreaves (Mrs)\n", "Dorothy Hargreaves"),
        ("Mit freundlichen Grüßen\nJürgen Brandt", "Jürgen Brandt"),
    ],
)
def test_names_introduce_themselves_or_sign(content: str, name: str) -> None:
    assert [item.value for item in find_names(text(content))] == [name]


def test_a_shortened_name_is_not_a_second_one() -> None:
    found = list(find_names(text("L. Cartwright\n3 The Paddocks\n\nYours faithfully,\nLewis Cartwright\n")))
    assert [item.value for item in without_short_forms(found)] == ["Lewis Cartwright"]


@pytest.mark.parametrize(
    "content",
    [
        "My neck hurts since then",
        "I went to hospital with a broken wrist",
        "Nobody was in the car and my wrist is sprained.",
        "She broke her arm on the stairs",
    ],
)
def test_talk_of_injury_is_noticed(content: str) -> None:
    assert injury_cue(content) is not None


@pytest.mark.parametrize(
    "content",
    [
        "Nobody was in the car and nobody was hurt.",
        "I did not suffer any injury.",
        "No one else was\ninvolved and no one was injured",
        "We were not hurt or injured.",
        "Verletzt wurde zum Glück niemand.",
        "The bumper is broken.",
        "A pipe had fractured behind the bath.",
        "Labour: bleed radiators and test",
    ],
)
def test_denied_injury_is_no_injury(content: str) -> None:
    assert injury_cue(content) is None


def test_the_denial_itself_can_be_shown() -> None:
    span = denies_injury(LETTER)
    assert span is not None
    assert span.quote == "nobody was hurt"


def test_a_second_claim_announces_itself() -> None:
    assert second_claim_cue("While I am at it, the second claim is about my phone") is not None
    assert second_claim_cue(LETTER) is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (LETTER, "en"),
        ("ich habe am Montag den Schaden an der Decke gesehen und bitte Sie, mir die Kosten zu erstatten", "de"),
        ("el lunes por la noche se me rompió la maleta en el aeropuerto y no me la han pagado", "es"),
        ("le robinet de la cuisine est cassé et je vous prie de payer la facture", "fr"),
    ],
)
def test_the_language_is_told_by_common_words(content: str, code: str) -> None:
    assert detect_language(content, "en").code == code


def test_bills_are_told_from_letters() -> None:
    assert bill_kind(text(BILL)) == "estimate"
    assert bill_kind(text(LETTER)) is None
    assert (
        bill_kind(text("CASE & CARRY\nReceipt 5512\nHard shell 1 x 289.00\nTOTAL £289.00\nincl. VAT 20% £48.17"))
        == "receipt"
    )


def test_sentences_do_not_end_at_titles() -> None:
    assert [span.quote for span in sentences("Mr. Pickering came. He left.")] == ["Mr. Pickering came.", "He left."]


def test_each_value_is_offered_once() -> None:
    found = find_policy_numbers(text("CAR-2214-KL and again CAR 2214 KL"))
    assert len(each_value_once(found)) == 1


def sums(content: str, *, bill: bool = False, currency: str = "GBP") -> list[tuple[str, bool]]:
    """Each sum with whether it is certain."""
    return [(str(item.value), item.certainty == 1.0) for item in find_amounts(text(content), currency, bare=bill)]


@pytest.mark.parametrize("bill", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        "Voucher -£75.00 taken",
        "Voucher −£75.00 taken",
        "Voucher £-75.00 taken",
        "Rebate (£75.00)",
        "Voucher £75.00-\n",
        "Voucher £75.00 CR",
    ],
)
def test_a_sum_that_is_taken_off_is_never_one_to_pay(content: str, bill: bool) -> None:
    assert sums(content, bill=bill) == []


def test_a_dash_or_brackets_in_running_text_take_nothing_off() -> None:
    assert sums("They want a lot of money (£75.00) for it - £20.00 more than last year.") == [
        ("75.00", True),
        ("20.00", True),
    ]
    assert sums("Chair 129,- €", currency="EUR") == [("129.00", True)]


def test_a_dash_before_a_sum_of_a_bill_leaves_a_doubt() -> None:
    assert sums("Goodwill - £75.00", bill=True) == [("75.00", False)]


@pytest.mark.parametrize(
    ("content", "currency", "found"),
    [
        ("It was £1,200 then.", "GBP", [("1200.00", True)]),
        ("It was €1.200 then.", "EUR", [("1200.00", False)]),
        ("It was €1.200 and €3,50 then.", "EUR", [("1200.00", True), ("3.50", True)]),
        ("It was £1.200 and £3.50 then.", "GBP", [("1200.00", False), ("3.50", True)]),
        ("Mileage £0.375 a mile.", "GBP", [("0.375", False)]),
        ("CHF 2’480.00 in all.", "CHF", [("2480.00", True)]),
        ("CHF 2’2480.00 in all.", "CHF", []),
        ("About £3.5k in all.", "GBP", [("3500.00", False)]),
    ],
)
def test_a_sum_that_can_be_read_two_ways_is_not_certain(
    content: str, currency: str, found: list[tuple[str, bool]]
) -> None:
    assert sums(content, currency=currency) == found


def test_a_space_that_may_part_columns_or_thousands_leaves_a_doubt() -> None:
    assert sums("Gesamt 2 480,00 €", bill=True, currency="EUR") == [("480.00", False)]
    assert sums("Gesamt 480,00 €", bill=True, currency="EUR") == [("480.00", True)]


def test_the_more_certain_of_two_readings_of_a_value_is_offered() -> None:
    found = each_value_once(find_amounts(text("Fee - £75.00\nTotal £75.00"), "GBP", bare=True))
    assert [item.certainty for item in found] == [1.0]


@pytest.mark.parametrize(
    ("content", "readings"),
    [
        ("The crash was on 04/11/2025.", [("2025-11-04", "2025-04-11")]),
        ("It was on 04/11/2025, not on 11/24/2025.", [("2025-04-11", None), ("2025-11-24", None)]),
        ("It was on 04/11/2025, not on 24/11/2025.", [("2025-11-04", None), ("2025-11-24", None)]),
        ("It was on Tuesday 04/11/2025.", [("2025-11-04", None)]),
        ("It was on Friday, 04/11/2025.", [("2025-04-11", None)]),
        ("9 November 2025\nIt was on 04/11/2025.", [("2025-11-09", None), ("2025-11-04", None)]),
        ("20 April 2025\nIt was on 04/11/2025.", [("2025-04-20", None), ("2025-04-11", None)]),
        ("It was on 04/04/2025.", [("2025-04-04", None)]),
        ("Es war am 04.11.2025.", [("2025-11-04", None)]),
    ],
)
def test_a_day_that_can_be_read_two_ways_is_settled_by_the_text_or_keeps_both_readings(
    content: str, readings: list[tuple[str, str | None]]
) -> None:
    found = list(find_dates(text(content), None, True))
    assert [(item.value, item.otherwise) for item in found] == readings
    assert [item.certainty == 1.0 for item in found] == [otherwise is None for _, otherwise in readings]
