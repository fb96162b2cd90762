"""``alerts:``: which destinations are told that callrouter itself needs somebody."""

from __future__ import annotations

from router.config import scalars
from router.config.fields import Fields
from router.config.located import Block, Text
from router.config.model import Alerts
from router.config.problems import Place, Problems
from router.config.rules import RuleReader

_KEYS = ("to", "every", "backlog", "disk")
_HINT = "say who is told of dead letters and other trouble: alerts: [NAME], or alerts: none"


def read_alerts(root: Fields, rules: RuleReader, problems: Problems) -> Alerts:
    """Return what ``alerts:`` says: destinations, ``none``, or a block with the limits as well."""
    root.require("alerts", Place(1, 1), _HINT)
    value = root.value("alerts")
    if isinstance(value, Block):
        return _in_full(root, rules)
    if isinstance(value, Text) and value == "none":
        return Alerts()
    if isinstance(value, Text) and value in ("drop", "false", "no", "off", "nobody"):
        problems.error(value, f'alerts: "{value}" is not possible', "did you mean none?")
        return Alerts()
    return Alerts(rules.named(root, "alerts"))


def _in_full(root: Fields, rules: RuleReader) -> Alerts:
    inner = root.inner("alerts", _KEYS)
    if inner is None or not inner.require("to", root.key("alerts"), "name who is told: alerts: {to: [NAME]}"):
        return Alerts()
    least = Alerts()
    return Alerts(
        rules.named(inner, "to"),
        every=inner.read("every", scalars.duration, least.every),
        backlog=inner.read("backlog", scalars.duration, least.backlog),
        disk=inner.read("disk", scalars.share, least.disk),
    )
