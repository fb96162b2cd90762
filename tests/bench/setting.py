"""The daemon that benchmarks measure, and readings of what it costs."""

from __future__ import annotations

from pathlib import Path

from tests.harness import processes
from tests.harness.daemon import LISTEN, Daemon

#: Roles share a name and differ by number: sender-1, sender-2.
_NUMBERED = "-"


def daemon(folder: Path, *urls: str, order: str = "call", role: str = "run", extra: str = "") -> Daemon:
    """A daemon that sends each event of the sender to one HTTP destination for each of *urls*, by one rule.

    They are called out, out-2, out-3 and so on.
    """
    names = ["out", *(f"out-{number}" for number in range(2, len(urls) + 1))]
    destinations = "\n".join(
        f'  {name}: {{type: http, url: "{url}", order: {order}{extra}}}' for name, url in zip(names, urls, strict=True)
    )
    config = f"""{LISTEN}
sources:
  wavix: {{}}
destinations:
{destinations}
rules:
  - name: all-inbound
    when: {{direction: inbound, event_type: [call_setup, ringing, answered, on_call_event, completed]}}
    send: [{", ".join(names)}]
unmatched: drop
alerts: none
"""
    folder.mkdir(parents=True, exist_ok=True)
    return Daemon(folder, config, role=role)


def named_pids(running: Daemon) -> dict[int, str]:
    """Every process of the daemon by pid, with the role it plays; what a role has started counts as that role."""
    names = {running.pid: "supervisor"}
    for name, pid in running.pids().items():
        names[pid] = name
        names |= dict.fromkeys(processes.children(pid), name)
    for pid in running.all_pids():
        names.setdefault(pid, "other")
    return names


def cpu_by_role(pids: dict[int, str]) -> dict[str, float]:
    """Processor seconds so far by role (all senders together)."""
    used: dict[str, float] = {}
    for pid, name in pids.items():
        role = name.partition(_NUMBERED)[0]
        used[role] = used.get(role, 0.0) + processes.cpu_seconds(pid)
    return used
