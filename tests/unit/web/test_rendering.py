"""How values look on pages."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from overseen.web.rendering import duration, money, relative

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TEMPLATES = Path("overseen/web/templates")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Decimal("1590.500000"), "1,590.50"),
        ("250", "250.00"),
        (None, ""),
        ("about 20", "about 20"),
        ("-250", "-250.00"),
    ],
)
def test_money_has_thousands_and_two_places(amount: Decimal | str | None, shown: str) -> None:
    assert money(amount) == shown


@pytest.mark.parametrize(
    ("distance", "shown"),
    [(2, "just now"), (59, "59 s ago"), (61, "1 min ago"), (-7200, "in 2 h"), (200_000, "2 d ago")],
)
def test_time_is_relative(distance: int, shown: str) -> None:
    assert relative(NOW - timedelta(seconds=distance), NOW) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "–"), (0.042, "42 ms"), (3.21, "3.2 s"), (250, "4 min 10 s"), (7500, "2 h 5 min")]
)
def test_duration_has_a_unit(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_template_has_no_inline_script_or_style(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    for forbidden in (" style=", " onclick=", "<style", "hx-on", "|safe", "| safe", "javascript:"):
        assert forbidden not in text
    assert text.count("<script") == text.count("<script src=")
