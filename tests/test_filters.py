"""The filters of templates: every example of the manual, and what no event may make of them."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import PermanentFailure
from router.templates import Template, plain
from router.testing import make_delivery
from tests import manual

EXAMPLES = [row[1:] for row in manual.tables(manual.ROOT / "docs" / "templates.md")["Filters"]]
EVENT = {"from": "18045961058", "to": "+442071234567", "tag": "<!channel>", "direction": None}
FILTERS = ("phone", "duration", "time", "ago", "ordinal", "link", "mask")


def render(source: str, facts: dict[str, Any] | None = None, **options: Any) -> str:
    names = {"event": EVENT, "facts": facts or {}, "delivery": {"time": "2025-09-22T13:00:00Z"}}
    return Template(source).render(names, **options)


@pytest.mark.parametrize(("example", "makes"), EXAMPLES)
def test_a_filter_makes_what_the_manual_says(example: str, makes: str) -> None:
    [source], [text] = manual.words(example), manual.words(makes)
    told_later = make_delivery(attempted_at=make_delivery().accepted_at + 180)

    assert Template(source).render(told_later.names) == text


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("value", ["none", "event.direction"])
def test_a_filter_makes_nothing_of_a_null(name: str, value: str) -> None:
    assert render(f"{{{{ {value} | {name} }}}}") == ""


def test_a_number_without_its_country_is_the_one_that_the_router_read_with_its_region() -> None:
    here = make_delivery(event={"from": "020 7946 0001"}, facts={"from_number": "+442079460001"})

    text = Template("{{ event.from | phone }} {{ event.from | link }} {{ event.to | phone }}").render(here.names)

    assert text == "+44 20 7946 0001 tel:+442079460001 +44 20 7946 0958"


@pytest.mark.parametrize("form", ["nation", "E164", ""])
def test_a_form_of_number_that_nobody_knows_is_refused_with_those_there_are(form: str) -> None:
    with pytest.raises(PermanentFailure, match="write one of international, national, e164"):
        render(f'{{{{ event.to | phone("{form}") }}}}')


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("+442079460958", "+44 ** **** **58"),
        ("+33170363950", "+33 * ** ** ** 50"),
        ("1234", "****"),
        ("alice@example.com", "*****@*******.*om"),
        ("", ""),
    ],
)
def test_a_mask_leaves_the_country_and_two_digits(value: str, masked: str) -> None:
    assert render(f"{{{{ '{value}' | mask }}}}") == masked


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("'2025-09-22T12:59:59.7Z'", "just now"),
        ("'2025-09-22T12:59:20Z'", "40s ago"),
        ("'2025-09-22T10:59:20Z'", "2h ago"),
        ("'2025-09-19T12:59:20Z'", "3d ago"),
        ("'2025-09-22T13:02:00Z'", "in 2m"),
        ("1758545940", "1m ago"),
    ],
)
def test_how_long_ago_counts_to_the_attempt_and_reads_no_clock(moment: str, text: str) -> None:
    assert render(f"{{{{ {moment} | ago }}}}") == text


@pytest.mark.parametrize(
    "source", ["{{ 'soon' | ago }}", "{{ 0 | time(zone='Mars/Base') }}", "{{ 'soon' | duration }}"]
)
def test_what_is_no_moment_zone_or_number_cannot_be_filled_in(source: str) -> None:
    with pytest.raises(PermanentFailure, match=r"soon|Mars/Base"):
        render(source)


def bold(address: str, words: str) -> str:
    return f"<{address}|{words}>"


def brackets(value: Any) -> str:
    return plain(value).replace("<", "&lt;")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ event.to | link }}", "<tel:+442071234567|+44 20 7123 4567>"),
        ("{{ event.to | link('call back') }}", "<tel:+442071234567|call back>"),
        ("{{ event.tag | link }}", "&lt;!channel>"),
        # What is made of a link is a text like any other.
        ("{{ (event.to | link) + event.tag }}", "&lt;tel:+442071234567|+44 20 7123 4567>&lt;!channel>"),
        ("{{ event.to | link | replace('tel', event.tag) }}", "&lt;&lt;!channel>:+442071234567|+44 20 7123 4567>"),
    ],
)
def test_a_link_has_its_destinations_form_and_lets_no_other_text_by(source: str, text: str) -> None:
    assert render(source, escape=brackets, link=bold) == text


def test_a_link_without_a_form_of_its_own_is_an_escaped_address() -> None:
    assert render("{{ event.to | link }}", escape=lambda value: f"[{value}]") == "[tel:+442071234567]"


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (4, "4th"), (11, "11th"), (13, "13th"), (21, "21st"), (112, "112th"), (1000, "1000th")],
)
def test_an_ordinal_has_its_ending(number: int, text: str) -> None:
    assert render("{{ " + str(number) + " | ordinal }}") == text


@pytest.mark.parametrize(
    ("source", "text"),
    [("{{ 161 | duration }}", "2m 41s"), ("{{ '90061' | duration }}", "1d 1h"), ("{{ 0.2 | duration }}", "200ms")],
)
def test_durations_print_in_their_two_largest_units(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "zone", "text"),
    [
        ("{{ '2025-09-22T12:56:38.547Z' | time }}", None, "12:56"),
        ("{{ '2025-09-22T12:56:38.547Z' | time }}", "Europe/London", "13:56"),
        ("{{ '2025-09-22T23:56:38Z' | time(date=true) }}", "Europe/London", "23 Sep 00:56"),
        ("{{ 0 | time(date=true) }}", None, "1 Jan 00:00"),
        ("{{ 0 | time }}", "No/Such", "00:00"),
    ],
)
def test_moments_print_on_the_wall_clock_of_the_router(source: str, zone: str | None, text: str) -> None:
    assert render(source, {"timezone": zone} if zone else {}) == text
