"""Loads the configurations of the manual with the real loader, and plays whole calls through their rules."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from router import config, event, samples
from router.config import Config
from router.playing import play

#: Needed keys that an excerpt may leave out.
_REST = {
    "listen": "127.0.0.1:8080",
    "admin": "{listen: 127.0.0.1:8081}",
    "store": "sqlite:data",
    "timezone": "Europe/London",
    "region": "GB",
    "sources": "{phone: {}}",
    "unmatched": "drop",
    "alerts": "none",
}
#: A Monday at noon, in London.
_MONDAY = 1767614400.0
ZONE = ZoneInfo("Europe/London")


#: Variables whose plugin looks at the shape of what is in them.
_SHAPES = {"APPRISE_URL": "ntfy://calls", "SLACK_BOT_TOKEN": "xoxb-1-x", "TELEGRAM_TOKEN": "123456:abc_DEF",
           "PAGERDUTY_KEY": "0" * 32,
           "DISCORD_URL": "https://discord.com/api/webhooks/1/x"}  # fmt: skip


class _Environment(dict[str, str]):
    """Every variable is set, to something of the right shape."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        if name in _SHAPES:
            return _SHAPES[name]
        return f"https://example.com/{name.lower()}" if "URL" in name else "whsec_" + "c2VjcmV0" * 5

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


def completed(text: str) -> str:
    """Return the configuration in *text* with what is needed and was left out, below it so that its lines stay."""
    written = yaml.safe_load(text)
    rest = {key: value for key, value in _REST.items() if key not in written}
    mentioned = [name for rule in written.get("rules", ()) for name in rule["send"]]
    mentioned += [
        *written.get("always", ()),
        *(written["unmatched"] if isinstance(written.get("unmatched"), list) else ()),
    ]
    told = written.get("alerts", "none")
    told = told.get("to", ()) if isinstance(told, dict) else told
    mentioned += [name for name in ([told] if isinstance(told, str) else told) if name != "none"]
    if "destinations" not in written:
        names = dict.fromkeys(mentioned or ["somebody"])
        rest["destinations"] = "{" + ", ".join(f"{name}: {{type: console}}" for name in names) + "}"
    unused = [name for name in written.get("destinations", {}) if name not in mentioned]
    if "rules" not in written:
        everybody = [*unused, *(() if "destinations" in written else mentioned or ["somebody"])]
        names = ", ".join(dict.fromkeys(everybody or mentioned))
        rest["rules"] = f"[{{name: everything, when: {{direction: inbound}}, send: [{names}]}}]"
    return text + "\n" + "".join(f"{key}: {value}\n" for key, value in rest.items())


def load(text: str, folder: Path) -> Config:
    """Return the configuration in *text*, completed and checked by the real loader."""
    path = folder / "config.yaml"
    path.write_text(completed(text), encoding="utf-8")
    return config.load(path, _Environment())


def destinations(loaded: Config, call: str) -> str:
    """Return who hears of a whole call, as the manual's tables write it: ``slack, archive ×3``.

    *call* is a table's first cell: a sample's name between backticks, then fields that differ; `at:` is when it starts.
    """
    sample, *others = re.findall(r"`([^`]*)`", call)
    changes: dict[str, Any] = {}
    for other in others:
        changes |= yaml.load(other, yaml.BaseLoader) if other.startswith("at:") else yaml.safe_load(other)
    at = datetime.fromisoformat(changes.pop("at")).replace(tzinfo=ZONE).timestamp() if "at" in changes else _MONDAY
    heard: Counter[str] = Counter()
    order = [*loaded.destinations]
    for body in _bodies(sample, changes, at):
        event.check(body)
    source = next(iter(loaded.sources))
    events = [event.read(body, source, at) for body in _bodies(sample, changes, at)]
    for decided in play(loaded.decider, events, stale_after=loaded.stale_after):
        heard.update(send.destination for send in decided.decision.sends)
    told = [f"{name} ×{heard[name]}" if heard[name] > 1 else name for name in order if heard[name]]
    return ", ".join(told) or "–"


def _bodies(sample: str, changes: dict[str, Any], at: float) -> list[bytes]:
    played = samples.play(sample, started_at=at, uuid="5dccb6b0-f35c-488c-867b-86fb012c4415")
    return [json.dumps({**timed.event, **changes}).encode() for timed in played]
