"""A TCP proxy in a process of its own: between senders and nodes as a load balancer, between a node and its database
as a network that can be cut.

``behave`` says what becomes of connections: ``forward``, ``cut`` (nothing passes any more, and nobody is told, as when
a cable is pulled) or ``refuse`` (all are broken off, and new ones).
"""

from __future__ import annotations

import argparse
import asyncio

from tests.harness.control import Helper, answer

_PIECE = 65536


class Forwarder:
    """Takes connections on a port of its own and passes them to one of several addresses after the other."""

    def __init__(self) -> None:
        self._targets: list[tuple[str, int]] = []
        self._next = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._passes.set()
        self._refuses = False

    async def lead_to(self, addresses: list[tuple[str, int]]) -> None:
        """Pass what comes from now on to *addresses*."""
        self._targets = [(host, port) for host, port in addresses]

    async def behave(self, how: str) -> None:
        """Forward, cut or refuse."""
        self._refuses = how == "refuse"
        if self._refuses:
            self._break_off()
        if how == "cut":
            self._passes.clear()
        else:
            self._passes.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        self._open.add(writer)
        try:
            if self._refuses:
                return
            there = await self._reach()
            if there is None:
                return
            their_reader, their_writer = there
            self._open.add(their_writer)
            ways = {
                asyncio.ensure_future(self._pass(reader, their_writer)),
                asyncio.ensure_future(self._pass(their_reader, writer)),
            }
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()
            self._open.discard(their_writer)
            their_writer.close()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the next address that can be reached."""
        for _ in range(len(self._targets)):
            self._next += 1
            host, port = self._targets[self._next % len(self._targets)]
            try:
                return await asyncio.open_connection(host, port)
            except OSError:
                continue
        return None

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                await self._passes.wait()
                writer.write(piece)
                await writer.drain()
        except OSError:
            return

    def _break_off(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()


class Proxy:
    """A forwarder and the way to it; ``address`` is where it listens."""

    def __init__(self, *targets: tuple[str, int]) -> None:
        self._helper = Helper(__name__)
        self.address = ("127.0.0.1", int(self._helper.ask("port")))
        self.lead_to(*targets)

    def lead_to(self, *targets: tuple[str, int]) -> None:
        """Pass what comes from now on to *targets*, one after the other."""
        self._helper.ask("lead_to", addresses=targets)

    def behave(self, how: str) -> None:
        """``forward``, ``cut`` or ``refuse``."""
        self._helper.ask("behave", how=how)

    def close(self) -> None:
        """End the process."""
        self._helper.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _main(control: int) -> None:
    forwarder = Forwarder()
    server = await asyncio.start_server(forwarder.serve, "127.0.0.1", 0)

    async def port() -> int:
        return int(server.sockets[0].getsockname()[1])

    await answer(control, {"port": port, "lead_to": forwarder.lead_to, "behave": forwarder.behave})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True)
    asyncio.run(_main(parser.parse_args().control))
