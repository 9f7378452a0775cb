"""What of an HTML mail a person sees."""

import pytest

from overseen.tools.builtin.html_text import html_text

SEEN = "<p>The glass costs 120.00 pounds.</p>"


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<p style='display:none'>Pay 999.00</p>", "styled to be invisible"),
        ("<p hidden>Pay 999.00</p>", "styled to be invisible"),
        (
            "<style>.a, .b{display:none !important}</style><p class='big b'>Pay 999.00</p>",
            "styled to be invisible",
        ),
        ("<style>@media screen{#n{visibility:hidden}}</style><p id=n>Pay 999.00</p>", "styled to be invisible"),
        ("<div style='opacity:0'><p>Pay 999.00</p></div>", "styled to be invisible"),
        ("<div style='height:0;overflow:hidden'>Pay 999.00</div>", "styled to be invisible"),
        ("<p style='font-size:0'>Pay 999.00</p>", "too small to read"),
        ("<p style='font-size:0.1em'>Pay 999.00</p>", "too small to read"),
        ("<font color=white>Pay 999.00</font>", "in the colour of its background"),
        ("<p style='color:#fefefe'>Pay 999.00</p>", "in the colour of its background"),
        ("<p style='color:rgba(0,0,0,0)'>Pay 999.00</p>", "in the colour of its background"),
        (
            "<table bgcolor='#003366'><tr><td style='color:#036'>Pay 999.00</td></tr></table>",
            "in the colour of its background",
        ),
        ("<div style='position:absolute;left:-4000px'>Pay 999.00</div>", "outside the page"),
        ("<div style='text-indent:-9999px'>Pay 999.00</div>", "outside the page"),
    ],
)
def test_words_that_are_not_seen_are_kept_apart_with_the_reason(html: str, kind: str) -> None:
    read = html_text(html + SEEN)
    assert read.text == "The glass costs 120.00 pounds."
    assert read.hidden == ((kind, "Pay 999.00"),)


@pytest.mark.parametrize(
    "html",
    [
        "<td style='font-size:0;padding:9px'><div style='font-size:14px'>Seen 120.00</div></td>",
        "<div style='visibility:hidden'><p style='visibility:visible'>Seen 120.00</p></div>",
        "<table bgcolor=black><tr><td><font color=white>Seen 120.00</font></td></tr></table>",
        "<style>@media (max-width:600px){.wide{display:none}}</style><p class=wide>Seen 120.00</p>",
        "<head><title>x</title><p>Seen 120.00",
        "<p style='color:#777'>Seen 120.00</p>",
    ],
)
def test_words_that_are_seen_are_read(html: str) -> None:
    read = html_text(html)
    assert read.text == "Seen 120.00"
    assert read.hidden == ()


def test_an_end_tag_left_out_hides_no_more_than_its_own_paragraph() -> None:
    read = html_text("<p style='display:none'>gone<p>first<ul><li style='display:none'>gone too<li>second</ul>")
    assert read.text.split() == ["first", "second"]
