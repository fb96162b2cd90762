"""A daemon reduced to its ingest process: ``python program.py FOLDER GRACE`` prints its port and serves."""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

from router.authentication import Allow, Basic, Hmac, Token
from router.config import Address, Config, Source
from router.inbox.writer import InboxWriter
from router.location import SqliteAt
from router.routes import Routes
from router.secret import Secret
from router.web import make_ingest_app
from router.web.server import serve

SOURCES = [
    Source("open", ()),
    Source("lenient", (), validation="lenient", accept_types=frozenset({"hold"})),
    Source("patient", (), invalid="accept"),
    Source("token", (Token(Secret("s3cret")),)),
    Source("basic", (Basic("wavix", Secret("pass")),)),
    Source("hmac", (Hmac("X-Signature", Secret("key")),)),
    Source("proxied", (Allow((ip_network("203.0.113.7/32"),)),)),
]


class FileCounters:
    """One line per answer, for the test to read."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def accepted(self, source: str, seconds: float) -> None:
        self._file.write(f"accepted {source}\n")

    def rejected(self, source: str, why: str) -> None:
        self._file.write(f"rejected {source} {why}\n")


def config(folder: Path) -> Config:
    return Config(
        path=folder / "config.yaml",
        version="1",
        listen=Address("127.0.0.1", 0),
        admin=Address("127.0.0.1", 0),
        store=SqliteAt(folder),
        data=folder,
        timezone=ZoneInfo("UTC"),
        region=None,
        own_numbers=frozenset(),
        trusted_proxies=(ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")),
        sources={source.name: source for source in SOURCES},
        destinations={},
        routes=Routes(()),
    )


def main() -> None:
    folder, grace = Path(sys.argv[1]), float(sys.argv[2])

    def factory() -> object:
        inbox = InboxWriter(folder / "inbox")
        counters = FileCounters(folder / "counts")
        used = config(folder)
        return make_ingest_app(lambda: used, inbox, counters, lambda: [text] if (text := inbox.problem()) else [])

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    serve(factory, listener, graceful_timeout=grace, on_worker_start=(folder / "started").touch)


if __name__ == "__main__":
    main()
