"""What single values may say. Each reader raises ValueError with a sentence."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

import phonenumbers

from router import phone, units
from router.config.model import Address
from router.config.problems import guess, nearest

_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_YES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
#: Words people write for a country that has another code.
_COUNTRIES = {"UK": "GB", "EN": "GB"}


def text(value: str) -> str:
    """Return *value*, which must not be empty."""
    if not value:
        raise ValueError("this is empty; write something, or remove the key")
    return value


def boolean(value: str) -> bool:
    """Return true or false."""
    if value in ("true", "false"):
        return value == "true"
    meant = _YES.get(value.lower(), value.lower())
    hint = f"did you mean {meant}?" if meant in ("true", "false") else "write true or false"
    raise ValueError(f'"{value}" is neither true nor false; {hint}')


def word(value: str) -> str:
    """Return a name: it becomes part of addresses, tables and metrics."""
    if not _WORD.fullmatch(value):
        meant = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
        hint = f'; did you mean "{meant}"?' if meant else ""
        raise ValueError(f'"{value}" is no name: a name has small letters, digits and "-"{hint}')
    return value


def choice(*allowed: str) -> Callable[[str], str]:
    """Return a reader of one of *allowed*."""

    def read(value: str) -> str:
        if value not in allowed:
            hint = guess(value, allowed) if len(allowed) > 1 or nearest(value, allowed) else f"write {allowed[0]}"
            raise ValueError(f'"{value}" is not possible; {hint}')
        return value

    return read


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a reader of whole numbers."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not minimum <= int(value) <= maximum:
            raise ValueError(f'"{value}" is no whole number from {minimum} to {maximum}')
        return int(value)

    return read


def factor(value: str) -> float:
    """Return a number of at least 1."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", value) or float(value) < 1:
        raise ValueError(f'"{value}" is no number from 1 to 999, such as 3 or 1.5')
    return float(value)


def share(value: str) -> float:
    """Return a part of the whole that is written in percent."""
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?%", value) or float(value[:-1]) == 0:
        hint = f'did you mean "{value}%"?' if re.fullmatch(r"[1-9][0-9]?", value) else "write for example 10%"
        raise ValueError(f'"{value}" is no share of the whole; {hint}')
    return float(value[:-1]) / 100


def duration(value: str) -> float:
    """Return seconds, more than none."""
    seconds = units.duration(value)
    if not 0 < seconds <= 10 * 365 * 86400:
        raise ValueError(f'"{value}" is no useful duration; write more than nothing and less than ten years')
    return seconds


def duration_or_none(value: str) -> float:
    """Return seconds, possibly none at all."""
    return 0.0 if re.fullmatch(r"0+(ms|s|m|h|d)", value) else duration(value)


def address(value: str) -> Address:
    """Return where to listen."""
    host, colon, port = value.rpartition(":")
    if not colon and value.isdigit():
        raise ValueError(f'"{value}" has no address; did you mean "127.0.0.1:{value}"?')
    if not colon or not port.isdigit():
        raise ValueError(f'"{value}" has no port; write for example 127.0.0.1:8080')
    if not host:
        raise ValueError(
            f'"{value}" does not say where; write 127.0.0.1{value} for this machine or 0.0.0.0{value} for all'
        )
    if not port.isascii() or len(port) > 5 or int(port) > 65535:
        raise ValueError(f'"{value}" has no valid port; ports go to 65535')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_address(host):
            raise ValueError(f'"{value}" has no valid IPv6 address')
    elif ":" in host:
        raise ValueError(f'an IPv6 address needs brackets; did you mean "[{host}]:{port}"?')
    elif re.fullmatch(r"[\d.]+", host) and not _is_address(host):
        raise ValueError(f'"{value}" has no valid IP address')
    elif not _HOST.fullmatch(host):
        raise ValueError(f'"{value}" has no valid address; write for example 127.0.0.1:8080')
    return Address(host, int(port))


def is_loopback(where: Address) -> bool:
    """Return whether only this machine can reach *where*."""
    return where.host == "localhost" or (_is_address(where.host) and ip_address(where.host).is_loopback)


def is_everywhere(where: Address) -> bool:
    """Return whether *where* is every address of this machine."""
    return _is_address(where.host) and ip_address(where.host).is_unspecified


def network(value: str) -> IPv4Network | IPv6Network:
    """Return an address, or a network such as ``10.0.0.0/8``."""
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_interface(value).network
    except ValueError:
        raise ValueError(
            f'"{value}" is neither an address nor a network; write for example 192.0.2.7 or 10.0.0.0/8'
        ) from None
    raise ValueError(f'"{value}" is an address inside a network; did you mean "{meant}"?')


def timezone(value: str) -> tzinfo:
    """Return the time zone with that name."""
    if value == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(value)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        zones = {zone.lower(): zone for zone in zoneinfo.available_timezones()}
        # Whoever writes an offset hears of no other offset: it would be an hour wrong half of the year.
        places = {} if re.search(r"\d", value) else zones
        hint = guess(value, places or zones) if zones else "this machine knows no time zones; install tzdata"
        for lower, zone in zones.items():
            hint = hint.replace(f'"{lower}"', f'"{zone}"')
        if len(hint) > 100 or not places:
            hint = "write for example Europe/London"
        raise ValueError(f'"{value}" is no time zone; {hint}') from None


def region(value: str) -> str:
    """Return the two letters of a country."""
    if value not in phonenumbers.SUPPORTED_REGIONS:
        meant = _COUNTRIES.get(value.upper(), value.upper())
        hint = f'did you mean "{meant}"?' if meant in phonenumbers.SUPPORTED_REGIONS else "write for example GB or US"
        raise ValueError(f'"{value}" is no country code of two letters; {hint}')
    return value


def phone_number(in_region: str | None) -> Callable[[str], str]:
    """Return a reader of phone numbers, which gives them as E.164."""

    def read(value: str) -> str:
        number = phone.parse(value, in_region)
        if number is None and ("*" in value or "?" in value):
            raise ValueError(f'"{value}" is no phone number; wildcards are for rules and lists, so write each in full')
        if number is None:
            raise ValueError(f'"{value}" is no phone number; write it with "+" and the country code')
        return number.e164

    return read


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
