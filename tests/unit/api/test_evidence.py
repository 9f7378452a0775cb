"""Facts and the text they were read from."""

from overseen.api.reading.evidence import excerpt, segmented
from overseen.domain.facts import Fact, Source, Span, Trust

TEXT = "on 3 March 2026 the hose burst"


def fact(name: str, start: int, end: int) -> Fact:
    source = Source(kind="document", name="letter", span=Span(start=start, end=end, quote=TEXT[start:end]))
    return Fact(name=name, value=None, source=source, trust=Trust.DOCUMENT, confidence=1.0, step_id="s", fact_id=name)


def test_segments_put_together_are_the_text() -> None:
    segments = segmented(TEXT, [fact("date", 3, 15), fact("month", 5, 10)])
    assert "".join(segment.text for segment in segments) == TEXT


def test_overlapping_spans_are_each_marked_whole() -> None:
    segments = segmented(TEXT, [fact("date", 3, 15), fact("month", 5, 10)])
    for name, wanted in (("date", "3 March 2026"), ("month", "March")):
        assert "".join(segment.text for segment in segments if name in segment.fact_ids) == wanted


def test_a_span_outside_the_text_marks_nothing() -> None:
    assert all(not segment.fact_ids for segment in segmented(TEXT, [_outside()]))


def _outside() -> Fact:
    source = Source(kind="document", name="letter", span=Span(start=900, end=910, quote="x"))
    return Fact(name="n", value=None, source=source, trust=Trust.DOCUMENT, confidence=1.0, step_id="s", fact_id="n")


def test_an_excerpt_keeps_the_space_around_the_quote() -> None:
    found = excerpt(TEXT, fact("date", 3, 15).source)
    assert found is not None
    assert (found.before, found.quote, found.after) == ("on ", "3 March 2026", " the hose burst")
