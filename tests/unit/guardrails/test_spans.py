import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.guardrails.spans import locate

TEXT = "On Wednesday 14 October 2026 I left my car.\nThe wind-\nscreen cost £742.80, he said: “don’t worry”."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("14 October 2026", "14 October 2026"),
        ("14  october\n2026", "14 October 2026"),
        ("windscreen", "wind-\nscreen"),
        ('"don\'t worry"', "“don’t worry”"),
        ("£742.80", "£742.80"),
    ],
)
def test_a_quotation_is_found_as_it_stands(quote: str, found: str) -> None:
    span = locate(TEXT, quote)
    assert span is not None
    assert span.quote == found == TEXT[span.start : span.end]


@pytest.mark.parametrize("quote", ["15 October 2026", "42.80", "car crash", "", "   ", "4 October"])
def test_what_does_not_stand_there_is_not_found(quote: str) -> None:
    assert locate(TEXT, quote) is None


def test_the_nearest_of_several_places_is_taken() -> None:
    span = locate("paid 10 here and 10 there", "10", near=20)
    assert span is not None
    assert span.start == 17


@given(st.text(min_size=1, max_size=60), st.data())
def test_every_stretch_between_spaces_is_found_in_its_own_text(text: str, data: st.DataObject) -> None:
    words = [word for word in text.split() if word.strip("-") and any(mark.isalnum() for mark in word)]
    if not words:
        return
    word = data.draw(st.sampled_from(words))
    assert locate(f"before {word} after", word) is not None
