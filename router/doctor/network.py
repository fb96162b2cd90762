"""Whether the names of all destinations resolve, and their certificate authorities can be used. Connects to nobody."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from router.config.model import Config, Destination
from router.doctor.finding import Finding, note, ok, problem
from router.secret import Secret

#: Seconds for all names together: they are asked at once.
PATIENCE = 5.0


def names(config: Config, *, patience: float = PATIENCE) -> Iterator[Finding]:
    """Yield whether each host resolves that destinations of *config* are told at, or through."""
    wanted: dict[str, list[str]] = {}
    for destination in config.destinations.values():
        if destination.disabled is None:
            for host in hosts(destination):
                wanted.setdefault(host, []).append(destination.name)
    said: dict[str, str | None] = {}
    threads = [threading.Thread(target=_resolve, args=(host, said), daemon=True) for host in wanted]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    for host, destinations in wanted.items():
        who = f"{host} ({', '.join(destinations)})"
        if host not in said:
            yield problem("name", f"{who}: no answer within {patience:g} s", "see that the name servers answer")
        elif why := said[host]:
            yield problem("name", f"{who} does not resolve: {why}", "mend the name, or this machine's name servers")
        else:
            yield ok("name", f"{who} resolves")


def hosts(destination: Destination) -> set[str]:
    """Return the names that this machine must resolve for *destination*: its proxy's where it has one."""
    if destination.proxy is not None:
        return _hosts_in(destination.proxy)
    return _hosts_in(destination.settings)


def certificates(config: Config) -> Iterator[Finding]:
    """Yield whether the authorities can be read that destinations trust: their own, and those of the machine."""
    for destination in config.destinations.values():
        if destination.ca is not None:
            yield _authorities(destination.name, destination.ca)


def _authorities(name: str, path: Path) -> Finding:
    try:
        found = ssl.create_default_context(cafile=str(path)).get_ca_certs()
    except (OSError, ssl.SSLError) as ex:
        return problem("certificate", f"{path} (ca of {name}) cannot be used: {ex.strerror or ex}", "mend the file")
    now = time.time()
    over = [one for one in found if ssl.cert_time_to_seconds(str(one["notAfter"])) < now]
    if found and len(over) == len(found):
        return problem("certificate", f"every authority in {path} (ca of {name}) has run out", "get the new ones")
    if over:
        return note("certificate", f"{len(over)} of {len(found)} authorities in {path} (ca of {name}) have run out")
    return ok("certificate", f"{len(found)} in {path} (ca of {name})")


def _hosts_in(value: Any) -> set[str]:
    if isinstance(value, Secret):
        return _hosts_in(value.reveal())
    if isinstance(value, BaseModel):
        return {host for _, inner in value for host in _hosts_in(inner)}
    if isinstance(value, Mapping):
        return {host for inner in value.values() for host in _hosts_in(inner)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return {host for inner in value for host in _hosts_in(inner)}
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        return set()
    try:
        host = urlsplit(value).hostname
        ip_address(host or "")
    except ValueError:
        # A text with a link in it is no address, nor is a name that a template makes.
        return {host} if host and not set(host) & set("{}% <>|") and not any(map(str.isspace, value)) else set()
    return set()


def _resolve(host: str, said: dict[str, str | None]) -> None:
    try:
        socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as ex:
        said[host] = str(getattr(ex, "strerror", None) or ex)
    else:
        said[host] = None
