"""Sums as people write them, in arguments and in letters."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.errors import InvalidInput
from overseen.supervisor.payments import named_sums, own_words_problem, parse_amount


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        ("we pay 2,596.00 GBP", ["2596.00"]),
        ("we pay 2596", ["2596"]),
        ("2.596,00 EUR", ["2596.00"]),
        ("2 596 or 2'596.00", ["2596.00", "2596"]),
        ("£50, GBP40 and 30 pounds", ["50", "40", "30"]),
        ("2596.00GBP", ["2596.00"]),
        ("２５９６", ["2596"]),
        ("2\u200b596 or 7\u2060777 GBP", ["2596", "7777"]),
        ("within 14 days, on 2026-10-14, policy CAR-2214-KL", []),
        ("20-45-11", []),
    ],
)
def test_a_sum_is_seen_however_it_is_written(text: str, sums: list[str]) -> None:
    assert named_sums(text) == {Decimal(each) for each in sums}


@given(
    st.decimals(min_value="100", max_value="9999999999.99", places=2), st.sampled_from(["{}", "{:,}", "£{}", "{} GBP"])
)
def test_every_sum_of_a_hundred_and_more_is_seen(amount: Decimal, shape: str) -> None:
    assert amount in named_sums(f"We pay {shape.format(amount)} to you.")


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans())
def test_what_is_taken_for_a_sum_is_plain_digits_with_at_most_two_decimals(value: object) -> None:
    try:
        amount = parse_amount(value, named="pay.amount")
    except InvalidInput as error:
        assert "pay.amount" in error.message
    else:
        assert isinstance(value, str)
        assert value.isascii()
        assert amount >= 0
        assert amount == Decimal(value)


def test_lines_of_the_template_may_name_how_the_sum_comes_about_and_own_lines_may_not() -> None:
    reference = "We pay 492.80 GBP.\n- estimate: 742.80 GBP"
    assert own_words_problem(reference + "\nThank you.", reference, Decimal("492.80")) == ""
    assert own_words_problem(reference + "\nOr 742.80.", reference, Decimal("492.80")) == (
        "names 742.80, but 492.80 is paid"
    )
    assert own_words_problem("We pay 5.00 GBP.", "", None) == "names 5.00, but nothing is paid"
