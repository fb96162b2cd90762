"""``defaults:``: what every destination has that does not say otherwise."""

from __future__ import annotations

from typing import Any

from router.retry import RetryPolicy

TWO = """
defaults: {timeout: 5s, concurrency: 2, retry: {first: 1s, max: 1h}}
destinations:
  one: {type: web, url: "https://one.example"}
  two: {type: web, url: "https://two.example", timeout: 9s, retry: {max: 2h}}
always: [one, two]
"""


def test_a_destination_has_the_defaults_it_does_not_override(config: Any) -> None:
    one, two = config(TWO).destinations.values()

    assert (one.timeout, one.concurrency, one.retry) == (5.0, 2, RetryPolicy(first=1.0, max=3600.0))
    assert (two.timeout, two.concurrency, two.retry) == (9.0, 2, RetryPolicy(first=1.0, max=7200.0))


def test_a_changed_default_ends_a_pause_like_any_changed_setting(config: Any) -> None:
    before = config(TWO).destinations["one"].fingerprint

    assert config(TWO.replace("timeout: 5s", "timeout: 6s")).destinations["one"].fingerprint != before


def test_a_mistake_in_a_default_is_told_once_where_it_stands(mistakes: Any) -> None:
    told = mistakes(TWO.replace("timeout: 5s", "timeout: soon"))

    assert len(told) == 1
    assert told[0].startswith('2:21: timeout: "soon" is no duration')
