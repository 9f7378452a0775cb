"""A text that is shortened ends with a whole character."""

import pytest

from overseen.domain.clean_text import cut_text


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("short", 10, "short"),
        ("plain words", 5, "plain"),
        ("ab\U0001f468\u200d\U0001f469\u200d\U0001f467 family", 4, "ab"),
        ("ok \U0001f44d\U0001f3fd thanks", 4, "ok "),
        ("I\u2764\ufe0fYou", 2, "I"),
        ("e\u0301a\u0308o", 3, "e\u0301"),
        ("x\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 2, "x"),
        ("x\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 3, "x\U0001f1e9\U0001f1ea"),
    ],
)
def test_no_half_of_a_character_is_left(text: str, most: int, cut: str) -> None:
    assert cut_text(text, most) == cut
