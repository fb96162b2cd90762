"""What the templates of a destination would say, setting by setting."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict

from plugins.console import Console
from plugins.slack import Slack
from router.plugin import Settings, Template, setting
from router.rendering import rendered
from router.testing import make_delivery


class Card(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    title: Template


class Everything(Settings):
    word: str = setting("No template.", default="{{ event.tag }}")
    text: Template = setting("One.", default=Template("from {{ event.from }}"))
    nothing: Template | None = setting("None.", default=None)
    headers: dict[str, Template] = setting("By name.", default={})
    lines: tuple[Template, ...] = setting("By number.", default=())
    card: Card | None = setting("In a block.", default=None)


def test_every_template_of_a_destination_is_rendered_by_its_path_and_nothing_else() -> None:
    settings = Everything.model_validate(
        {"headers": {"X-Tag": "{{ event.tag }}"}, "lines": ["a", "{{ call.state }}"], "card": {"title": "<b>"}}
    )

    assert rendered(settings, make_delivery(event={"tag": "<!here>"})) == {
        "text": "from +447700900123",
        "headers.X-Tag": "<!here>",
        "lines[1]": "a",
        "lines[2]": "ended",
        "card.title": "<b>",
    }


def test_a_template_that_cannot_be_filled_in_says_why() -> None:
    settings = Everything.model_validate({"text": "{{ event.frm }}"})

    assert rendered(settings, make_delivery()) == {
        "text": 'the template cannot be filled in: event has no "frm"',
    }


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (Console.Settings(), "14:05 missed call  +44 7700 900123 → +44 20 7946 0958  rang 18s"),
        (
            Slack.Settings.model_validate({"url": "https://hooks.slack.com/x"}),
            "*📵 Missed call from +44 7700 900123*\n"
            "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back tel:+447700900123",
        ),
    ],
)
def test_the_text_of_a_bundled_plugin_is_seen_where_nobody_wrote_one(settings: Settings, text: str) -> None:
    assert rendered(settings, make_delivery()) == {"text": text}
