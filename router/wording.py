"""What destinations say of a call where nobody wrote a text: how it stands when it is told, and what to do about it."""

from __future__ import annotations

from router.templates import Template

_NAMES = """\
{%- set outbound = call.direction == "outbound" -%}
{%- set customer = (call.to if outbound else call.from) | phone or "an unknown number" -%}
{%- set line = (call.from if outbound else call.to) | phone -%}
{%- set who = ("to " if outbound else "from ") ~ customer -%}
"""

_HEADLINE = """\
{{- "Correction: " if event.event_type == "call_corrected" -}}
{%- if call.missed -%} 📵 Missed call {{ who }}
  {%- if (call.calls_today or 0) > 1 -%}
    , {{ call.calls_today | ordinal }}{{ " or later" if call.calls_today == 100 }}
    {#- counting stops there #} {{ "try" if call.missed_today == call.calls_today else "call" }} of the day
  {%- endif %}
{%- elif call.outcome == "answered" -%} ✅ Answered call {{ who }}
{%- elif call.outcome == "machine" -%} 🤖 Call {{ who }}, answered by a machine
{%- elif call.outcome -%} 🚫 Call {{ who }}, {{ "outcome " if call.outcome == "unknown" -}}
  {{ call.outcome | replace("_", " ") }}
{%- elif call.state == "answered" -%} 🟢 On the phone: call {{ who }}
{%- elif call.state == "ringing" -%} 🔔 Ringing: call {{ who }}
{%- else -%} 📞 New call {{ who }}
{%- endif %}"""

_PARTICULARS = """\
{{ [("from " if outbound else "to ") ~ line if line else "",
    (call.started_at or call.first_event_at) | time(date=true),
    "rang " ~ call.ring_seconds | duration if call.ring_seconds else "",
    "talked " ~ call.talk_seconds | duration if call.talk_seconds else "",
    call.tag] | select | join(" · ") }}
{%- if call.missed and facts.customer_number %} · call back {{ facts.customer_number | link }}{% endif -%}"""

#: One line: what happened, with whom, and of a missed call which one of its customer on that day. "Of the day" is right
#: whenever it is read: news may wait for hours that open, and a record is read for years.
HEADLINE = Template(_NAMES + _HEADLINE)

#: One line: which number was called, when, how long it rang and was talked, and for a missed call a link to call back.
PARTICULARS = Template(_NAMES + _PARTICULARS)


def story(before: str = "", after: str = "") -> Template:
    """Return both as one text of two lines; *before* and *after* stand around the first, to make it bold.

    It tells the call as it stands at the attempt, so that a late event never says that an ended call rings.
    """
    return Template(f"{_NAMES}{before}{_HEADLINE}{after}\n{_PARTICULARS}")
