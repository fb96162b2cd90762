"""A character of a text is found again in the file, however YAML folds and escapes it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.config.located import Block, Text, read
from router.config.pointing import place_in
from router.config.problems import Place, Problems

#: What may stand around a name: everything YAML escapes, folds or doubles.
AROUND = st.lists(
    st.sampled_from([*"aé '\"\\\n\t:#-|>{}\u2028\x85\x1b\0\U0001f600", "\n\n", "   ", "long words "]), max_size=20
).map("".join)


def placed(source: str, name: str, file: str = "") -> tuple[Place | None, Problems]:
    """Return where the last *name* in the value of the key ``text`` is said to stand."""
    problems = Problems("config.yaml", "" if file else source)
    if file:
        problems.know(file, source)
    root = read(source, problems, file)
    assert isinstance(root, Block), problems.in_file_order()
    text = root["text"]
    assert isinstance(text, Text)
    return place_in(text, text.rindex(name), len(name), problems), problems


@given(AROUND, AROUND, st.sampled_from([None, "'", '"', "|", ">"]), st.booleans(), st.integers(10, 100))
def test_a_name_is_found_where_it_stands_whatever_the_style(
    before: str, after: str, style: str | None, unicode: bool, width: int
) -> None:
    value = f"{before} name {after}"
    source = yaml.dump({"text": value}, default_style=style, allow_unicode=unicode, width=width)

    place, problems = placed(source, "name")

    assert place is not None
    line = problems.text(place.line)
    assert line is not None
    assert (line[place.column - 1 :][: place.width], place.width) == ("name", 4)


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("text: a name", 1, 9),
        ("text: a\n  folded name", 2, 10),
        ("text: 'it''s name'", 1, 14),
        (r'text: "\u0020\"name"', 1, 16),
        ('text: "a \\\n   name"', 2, 4),
        ("text: &anchor !tag name", 1, 20),
        ('text: &anchor "name"', 1, 16),
        ("text: |2- # why\n   name\n", 2, 4),
        ("text: >\n  one\n\n\n  two name\n", 5, 7),
        ("name: name\ntext: name", 2, 7),
        ("text: name name", 1, 12),
    ],
)
def test_a_place_is_a_line_and_a_column(source: str, line: int, column: int) -> None:
    place, _ = placed(source, "name")

    assert place == Place(line, column, 4)


def test_a_place_names_the_file_it_is_in() -> None:
    place, _ = placed("other: 1\ntext: a name", "name", file="rules/sales.yaml")

    assert place == Place(2, 9, 4, "rules/sales.yaml")


@pytest.mark.parametrize(
    ("filled", "written", "column"),
    [
        ("secret name", "${VAR} name", 8),
        ("name", "${VAR}", None),
        ("name name", "${VAR} name", None),
        ("my-name-is name", "${VAR} name", None),
    ],
)
def test_what_a_variable_brings_has_no_place_of_its_own(filled: str, written: str, column: int | None) -> None:
    problems = Problems("config.yaml", written)
    text = Text(written, Place(1, 1, len(written))).filled(filled)

    place = place_in(text, filled.rindex("name"), 4, problems)

    assert place == (None if column is None else Place(1, column, 4))


def test_a_file_that_cannot_be_followed_gives_the_beginning_of_the_text() -> None:
    problems = Problems("config.yaml", "something else")

    assert place_in(Text("a name", Place(1, 3, 6)), 2, 4, problems) == Place(1, 3, 6)
