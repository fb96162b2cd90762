"""Files that TLS needs: the authorities to trust, and the certificate that we show."""

from __future__ import annotations

import ssl
from pathlib import Path

from router.config import scalars
from router.config.fields import Fields
from router.config.located import Block

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"


class _Passphrase(Exception):
    """A key is encrypted, and nobody is there to be asked."""


class Certificates:
    """Reads names of such files, relative to *folder*.

    Unless *proved* is False they are tried out at once: who only looks may not be allowed to read a key, and a process
    that starts again has the configuration as it was proved then.
    """

    def __init__(self, folder: Path, *, proved: bool) -> None:
        self.folder = folder
        self._proved = proved

    def authorities(self, value: str) -> Path:
        """Return the file of certificate authorities; raises ValueError when it has none."""
        path = self._path(value)
        if self._proved:
            if _CERTIFICATE not in _content(path, value):
                raise ValueError(f'there is no certificate in "{value}"; it must be a PEM file')
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            except ssl.SSLError as ex:
                raise ValueError(f'the certificates in "{value}" cannot be used: {_said(ex)}') from None
        return path

    def own(self, fields: Fields) -> tuple[Path, Path] | None:
        """Return the files of ``certificate`` and of its key; None where there is none, or after a mistake."""
        if not isinstance(fields.value("certificate"), Block):
            return fields.read("certificate", self._in_one)
        inner = fields.inner("certificate", ("file", "key"))
        if inner is None:
            return None
        at = fields.key("certificate")
        if not all([inner.require("file", at, "it names the certificate (PEM)"),
                    inner.require("key", at, "it names its key (PEM)")]):  # fmt: skip
            return None
        file = inner.read("file", scalars.text)
        return inner.read("key", lambda key: self._pair(file, key)) if file else None

    def _in_one(self, value: str) -> tuple[Path, Path]:
        return self._pair(value, value)

    def _pair(self, file: str, key: str) -> tuple[Path, Path]:
        pair = self._path(file), self._path(key)
        if self._proved:
            if _CERTIFICATE not in _content(pair[0], file):
                raise ValueError(f'there is no certificate in "{file}"; it must be a PEM file')
            if _KEY not in _content(pair[1], key):
                hint = "write certificate: {file: …, key: …}" if file == key else "it must be a PEM file"
                raise ValueError(f'there is no key in "{key}"; {hint}')
            _try(*pair, file, key)
        return pair

    def _path(self, value: str) -> Path:
        path = self.folder / scalars.text(value)
        if not self._proved:
            return path
        try:
            found = path.is_file()
        except (OSError, ValueError):
            found = False
        if not found:
            raise ValueError(f'there is no file "{value}"')
        return path


def _try(file: Path, key: Path, named: str, key_named: str) -> None:
    def nobody_to_ask() -> str:
        raise _Passphrase

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file, key, nobody_to_ask)
    except _Passphrase:
        raise ValueError(
            f'the key in "{key_named}" has a passphrase, and nobody can be asked for it; keep it without one, readable '
            "for callrouter alone"
        ) from None
    except ssl.SSLError as ex:
        if ex.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f'the key in "{key_named}" is not that of the certificate in "{named}"') from None
        raise ValueError(f'the certificate in "{named}" cannot be used with its key: {_said(ex)}') from None


def _content(path: Path, value: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as ex:
        raise ValueError(f'the file "{value}" cannot be read: {ex.strerror}') from None


def _said(ex: ssl.SSLError) -> str:
    return (ex.reason or "the PEM is damaged").replace("_", " ").lower()
