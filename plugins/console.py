"""Prints one line per call event to standard output, for a person to read."""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import Any

from router.plugin import Delivery, Plugin, Settings, Template, TemporaryFailure, setting

TEXT = Template("""\
{%- set kind = event.event_type -%}
{%- set calls = facts.calls_today | default(0, true) -%}
{{ event.event_time | time }} {{ "corrected: " if kind == "call_corrected" -}}
{%- if kind in ("call_ended", "call_corrected") -%}
  {{ "missed call" if facts.missed else "call " ~ (facts.outcome or "unknown") | replace("_", " ") }}
{%- else -%} {{ kind | replace("_", " ") }}
{%- endif %}  {{ event.from | phone }} → {{ event.to | phone }}
{%- if calls > 1 and facts.missed %}  {{ calls | ordinal }} {{ "try" if calls == facts.missed_today else "call" -}}
  {{ " of the day" }}{% endif %}
{%- if "ended" in facts and facts.ring_seconds %}  rang {{ facts.ring_seconds | duration }}{% endif %}
{%- if "ended" in facts and facts.talk_seconds %}  talked {{ facts.talk_seconds | duration }}{% endif %}
{%- if event.tag %}  {{ event.tag }}{% endif %}""")

_RED, _GREEN, _DIM, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"


class ConsoleSettings(Settings):
    """Keys of a ``type: console`` destination."""

    text: Template = setting("The line.", default=TEXT)


class Console(Plugin[ConsoleSettings]):
    """Tells whoever looks at the terminal."""

    type = "console"
    Settings = ConsoleSettings
    # A person reads the lines from top to bottom.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        line = " ".join(delivery.render(self.settings.text, _printable).split("\n")).strip()
        try:
            if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
                line = f"{_colour(delivery)}{line}{_PLAIN}"
            encoding = sys.stdout.encoding or "utf-8"
            # One write, so that the lines of several senders never mix.
            sys.stdout.write(f"{line}\n".encode(encoding, "replace").decode(encoding))
            sys.stdout.flush()
        except (OSError, ValueError) as ex:  # ValueError: it is closed
            raise TemporaryFailure(f"standard output cannot be written to: {ex}") from None


def _printable(value: Any) -> str:
    """Take out what a terminal would obey: escape sequences, line ends, right-to-left marks."""
    return "".join(char for char in str(value) if unicodedata.category(char)[0] not in "CZ" or char == " ")


def _colour(delivery: Delivery) -> str:
    if delivery.is_alert or delivery.facts.get("missed"):
        return _RED
    return _GREEN if delivery.facts.get("outcome") == "answered" else _DIM
