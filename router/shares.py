"""The shares into which all calls are divided, so that several nodes can route beside each other. Pure."""

from __future__ import annotations

from zlib import crc32

#: Never to be changed: every event of a call must be in the same share, whichever version took it in.
SHARES = 64
ALL = frozenset(range(SHARES))


def share_of(source: str, call_id: str) -> int:
    """Return the share of a call: from 0 to ``SHARES`` - 1, the same for ever."""
    # As PostgreSQL has it: a text there cannot hold U+0000.
    name = f"{source}\0{call_id}".replace("\0", "\ufffd")
    return crc32(name.encode("utf-8", "surrogatepass")) % SHARES
