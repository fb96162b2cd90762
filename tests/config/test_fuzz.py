"""Whatever is done to a right file, the loader answers with a configuration or with located mistakes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.config import load, render
from router.errors import ConfigError
from tests.config.plugins import REGISTRY

RIGHT = """\
listen: 127.0.0.1:8080
admin: {listen: 127.0.0.1:8081}
timezone: Europe/London
region: GB
own_numbers: ["+442071234567"]
lists: {vip: ["+442071234567", "+4930*"], teams: [sales]}
defaults: {retry: {max: 4h}, concurrency: 4}
calls: {settle: 5s}
hours:
  business:
    - {days: mon-fri, from: 09:00, to: "12:30"}
    - {days: [mon, fri-sat], from: "13:30", to: "24:00", except: [2026-12-25/2027-01-01, 12-26]}
  night: {timezone: Asia/Tokyo, except: 05-01, intervals: [{dates: 2026-12-24, from: "22:00", to: "06:00"}]}
sources:
  wavix: &source
    auth: {token: "${TOKEN}", hmac: {header: X-S, secret: "${TOKEN}"}, allow: [10.0.0.0/8]}
    accept_types: [sms]
  other: *source
destinations:
  crm:
    type: web
    url: "${URL:-https://crm.example}"
    optional: true
    headers: {X-Tag: "{{ event.tag | upper }}"}
    body: |
      {{ event.from | phone }}
    retry: {first: 5s, max: 4h}
    rate: 10/s
    keep_answers: true
    open: business
    answers: {409: done, "404": again, 5xx: dead, 403: pause}
    breaker: {failures: 20, within: 2m, pause: 10s, max: 10m}
  paper: {type: paper, path: data/a, formerly: old, breaker: none}
rules:
  - name: missed
    when:
      missed: true
      customer_number: ["+4420*", "+33170363950"]
      any: [{tag: sales}, {not: {weekday: sat-sun}}, {tag: {prefix: s, not: {regex: "s+"}}}]
    send:
      - crm
      - {to: paper, text: "Missed {{ event.from | phone }}, \
          {{ facts.ring_seconds | duration }}"}
    once: call
  - {name: other, when: {event_type: ringing}, send: [{to: crm, body: '{{ event.tag }}'}, paper], stop: true}
  - name: digits
    when:
      event_payload.payload.digits: {gte: 2, lt: 5}
      event.campaign: {exists: true}
      from_number: {country: [GB, DE], not: {in: vip}}
      ring_seconds: {gt: 20s}
      date: {gte: 2026-12-24, lte: 2027-01-01}
      local_time: {lt: "09:00"}
      call_started: {gt: "2026-01-01T00:00:00Z"}
    send: crm
    enabled: false
    description: Digits
    owner: sales
    labels: {team: sales}
always: paper
unmatched: drop
alerts: {to: [crm, paper], every: 2h, backlog: 15m, disk: 7.5%}
tests:
  - name: a missed sales call
    call: missed
    source: other
    with: {to: +442071234567, tag: sales, event_payload: {a: [1, null, true]}}
    at: 2026-01-04T10:00
    expect: {crm: 1, paper: 4}
    rendered: {paper: {text: "{{ event.uuid }}"}, crm: +44 7700 900123}
  - name: two events
    events: [{event_type: ringing, event_time: 2026-01-04T10:00:00Z}, {event_type: sms, extra: 1.5}]
    expect: [paper]
"""
LINES = RIGHT.splitlines(keepends=True)
WORDS = ["{", "}", "[", "]", ": ", "- ", "#", "&a ", "*a", "<<: ", "!!x ", '"', "'", "|", ">", "\t", "\n", "  ", "${",
         "{{", "}}", "~", "null", "true", "17:00", "0123", "\x07", "\u2028", "\ud7ff", "é", "---\n", "%", "@", "? ",
         "{% for x in y %}", "{% set a %}", "$${", "${file:x}", "not: ", "any: ", "name: ", "*", "?", "\r",
         "in: ", "regex: ", "prefix: ", "gt: ", "include: ", "(", "exists: ",
         "{to: crm}", "to: ", "text: ", "event.", "facts.missed"]  # fmt: skip

mutations = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, len(RIGHT)), st.sampled_from(WORDS)),
    st.tuples(st.just("delete"), st.integers(0, len(RIGHT)), st.integers(1, 40).map(str)),
    st.tuples(st.just("repeat"), st.integers(0, len(LINES) - 1), st.integers(0, len(LINES) - 1).map(str)),
    st.tuples(st.just("text"), st.integers(0, len(RIGHT)), st.text(max_size=5)),
)


def mutated(text: str, changes: list[tuple[str, int, str]]) -> str:
    for kind, at, what in changes:
        if kind == "delete":
            text = text[:at] + text[at + int(what) :]
        elif kind == "repeat":
            lines = text.splitlines(keepends=True)
            text = "".join((*lines[:at], LINES[int(what)], *lines[at:]))
        else:
            text = text[:at] + what + text[at:]
    return text


def refusal(content: bytes) -> ConfigError | None:
    """Return why *content* is refused, or None when it loads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(content)
        try:
            load(path, {"TOKEN": "sesame-hunter2"}, registry=REGISTRY)
        except ConfigError as ex:
            return ex
        return None


def hold(content: bytes) -> None:
    refused = refusal(content)
    if refused is not None:
        assert refused.problems
        assert all(problem.line >= 1 and problem.column >= 1 and problem.text for problem in refused.problems)
        assert "sesame-hunter2" not in render(refused.problems)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(mutations, max_size=6))
def test_a_mutated_file_loads_or_is_refused_with_located_mistakes(changes: list[tuple[str, int, str]]) -> None:
    hold(mutated(RIGHT, changes).encode(errors="replace"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused_with_located_mistakes(content: bytes) -> None:
    hold(content)


def test_the_file_that_is_mutated_is_right() -> None:
    assert refusal(RIGHT.encode()) is None
