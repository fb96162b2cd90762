"""The drawings of the manual say what is sent, in the form in which it is seen."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.drawings import DRAWN, drawing
from tests.manual import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def texts(type_: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(drawing(type_)).findall(f"{SVG}text")


def spans(type_: str, words: str) -> list[dict[str, str]]:
    """The looks of every span that is just *words*."""
    return [span.attrib for line in texts(type_) for span in line.iter(f"{SVG}tspan") if span.text == words]


@pytest.mark.parametrize("type_", DRAWN)
def test_a_drawing_has_every_line_without_its_markup_and_says_what_it_is(type_):
    lines = ["".join(line.itertext()) for line in texts(type_)]

    headlines = [line for line in lines if re.fullmatch(r"\S+ (Missed|Answered) call from .*", line)]
    assert headlines == [
        "📵 Missed call from +44 7700 900123, 3rd try of the day",
        "✅ Answered call from +44 7700 900123",
    ]
    assert "calls · wavix · 5dccb6b0-f35c-488c-867b-86fb012c4415" in lines
    assert not re.search(r"[*\\<>\[\]|]|tel:", "\n".join(lines))
    assert lines[-1].endswith("Not a screenshot.")


@pytest.mark.parametrize("type_", DRAWN)
def test_the_page_shows_its_drawing_by_that_name(type_):
    page = (ROOT / "docs" / "plugins" / f"{type_}.md").read_text(encoding="utf-8")

    assert f"a drawing, not a screenshot](../pictures/{type_}.svg)" in page


@pytest.mark.parametrize("type_", ["slack", "discord", "telegram", "email"])
def test_the_headline_is_bold(type_):
    assert spans(type_, "✅ Answered call from +44 7700 900123")[-1] == {"font-weight": "600"}


def test_a_card_is_red_for_a_missed_call_and_green_for_an_answered_one():
    [red] = spans("teams", "📵 Missed call from +44 7700 900123, 3rd try of the day")
    [green] = spans("teams", "✅ Answered call from +44 7700 900123")

    assert (red["fill"], green["fill"]) == ("#b3261e", "#1b7f3b")


@pytest.mark.parametrize("type_", ["slack", "teams", "email"])
def test_a_number_that_can_be_pressed_looks_like_it(type_):
    [link] = spans(type_, "+44 7700 900123")

    assert link == {"fill": "#1264a3"}
