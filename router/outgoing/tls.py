"""How connections are secured: one context for all that trust and show the same."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from router.errors import DestinationUnusable
from router.outgoing.connection import DeadlineTLS

#: The files of a client certificate and of its key.
Pair = tuple[Path, Path]


def tls_context(ca: Path | None, certificate: Pair | None = None) -> ssl.SSLContext:
    """Return the one context for all connections that trust *ca* and show *certificate*, both as the files are now.

    Without *ca* the public authorities are trusted. Loading them costs 25 ms, which a connection of its own context
    would pay each time. The other side's certificate is always verified. Raises DestinationUnusable when a file is of
    no use.
    """
    files = (*((ca,) if ca else ()), *(certificate or ()))
    try:
        changed_at = tuple(file.stat().st_mtime_ns for file in files)
        return _tls_context(ca, certificate, changed_at)
    except OSError as ex:  # among them ssl.SSLError
        named = " and ".join(map(str, dict.fromkeys(files)))
        why = getattr(ex, "reason", None) or ex.strerror
        unusable = DestinationUnusable(f"the certificates in {named} cannot be used: {why}")
    raise unusable


@lru_cache(maxsize=64)
def _tls_context(
    ca: Path | None,
    certificate: Pair | None,
    changed_at: tuple[int, ...],  # noqa: ARG001 - a file that has changed is read again
) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = DeadlineTLS
    context.load_verify_locations(ca or DEFAULT_CA_BUNDLE_PATH)
    if certificate:
        # A passphrase would be asked for on the terminal, where there is one.
        context.load_cert_chain(*certificate, password=lambda: "")
    return context


#: What the other side's TLS says of our certificate; it does so before it has read a request.
_REFUSED = {
    "CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "ACCESS_DENIED",
}  # fmt: skip


def refusal_of_ours(ex: BaseException) -> str | None:
    """Return in words why the other side refused the certificate we showed (or that we showed none); None: it did not.

    Such a refusal says that nothing of a request was read, whenever it arrives: with TLS 1.3 it comes after the request
    has left.
    """
    inner: BaseException | None = ex
    while inner is not None:
        alert = str(getattr(inner, "reason", "")).partition("_ALERT_")[2]
        if isinstance(inner, ssl.SSLError) and alert in _REFUSED:
            return alert.replace("_", " ").lower()
        inner = _behind(inner)
    return None


def failure_of_tls(ex: BaseException) -> str:
    """Return what the TLS library says, which names hosts and certificates, never a path."""
    inner: BaseException | None = ex
    while inner is not None:
        if isinstance(inner, TimeoutError):
            return "it took too long"
        said = getattr(inner, "verify_message", None) or getattr(inner, "reason", None)
        if isinstance(said, str) and said:
            return said.replace("_", " ").lower() if said.isupper() or "_" in said else said
        inner = _behind(inner)
    return "the handshake failed"


def _behind(ex: BaseException) -> BaseException | None:
    """Return the exception that *ex* was made of: requests and urllib3 hand it on as an argument, or as the reason."""
    reason = getattr(ex, "reason", None)
    if isinstance(reason, BaseException):
        return reason
    return next((each for each in ex.args if isinstance(each, BaseException)), None)
