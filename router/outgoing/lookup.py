"""Names turned into addresses within a time limit.

``getaddrinfo`` takes as long as the name servers please and cannot be interrupted, so it runs in a thread of its own
that is left behind when the time is over. All who ask for the same name meanwhile wait for the one thread: name servers
that hang cost one thread for each name, however many attempts there are.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

#: A found address: family and what ``connect`` takes.
Found = tuple[int, Any]

#: Looks up a name and a port.
Resolve = Callable[[str, int], Sequence[Found]]


def resolve(host: str, port: int) -> Sequence[Found]:
    """Return the addresses of *host*, best first; raises OSError when it has none."""
    return [(family, place) for family, _, _, _, place in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)]


class _Answer:
    """What a lookup under way will find."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.found: Sequence[Found] | OSError = ()


_lock = threading.Lock()
_under_way: dict[tuple[Resolve, str, int], _Answer] = {}


def lookup(resolve: Resolve, host: str, port: int, seconds: float) -> Sequence[Found]:
    """Return what *resolve* finds; raises OSError when that is nothing, TimeoutError when it takes over *seconds*.

    Nothing is remembered once it was found: who asks later has it looked up again.
    """
    key = (resolve, host, port)
    with _lock:
        answer = _under_way.get(key)
        begin = answer is None
        if answer is None:
            answer = _under_way[key] = _Answer()
    if begin:
        threading.Thread(target=_look, args=(key, answer), name="resolve", daemon=True).start()
    if not answer.there.wait(seconds):
        raise TimeoutError("the name server took too long")
    if isinstance(answer.found, OSError):
        # Raised anew in each thread that waited: an exception keeps the traceback of who raised it.
        raise OSError(answer.found.errno, answer.found.strerror or str(answer.found))
    return answer.found


def _look(key: tuple[Resolve, str, int], answer: _Answer) -> None:
    resolve, host, port = key
    try:
        answer.found = resolve(host, port)
    except OSError as ex:
        answer.found = ex
    except UnicodeError:
        answer.found = OSError(0, "not a host name")
    finally:
        with _lock:
            del _under_way[key]
        answer.there.set()
