"""A Falcon application on gunicorn's own ASGI worker, in a process that a supervisor has made for it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn has no types
from gunicorn.asgi.lifespan import LifespanManager  # type: ignore[import-untyped]  # gunicorn has no types
from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]  # gunicorn has no types
from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # gunicorn has no types
from gunicorn.workers.gasgi import ASGIWorker  # type: ignore[import-untyped]  # gunicorn has no types

from router.web import errors

#: Seconds a new connection has to send its first request line and headers.
_FIRST_REQUEST = 30.0
#: Longer than the idle time of common proxies and load balancers (60 s), so that it is they who hang up.
_KEEP_ALIVE = 75
#: Each may hold a body of 256 KiB, and a process has 1,024 files unless an operator raised that.
_MOST_CONNECTIONS = 900
#: Seconds without a sign of life after which the worker process is killed and made anew.
_DEAD_AFTER = 30


def serve(
    app_factory: Callable[[], Any],
    sock: socket.socket,
    *,
    graceful_timeout: float,
    on_worker_start: Callable[[], None] | None = None,
) -> NoReturn:
    """Serve the application that *app_factory* makes on *sock*, which listens already, until SIGTERM. Never returns.

    This process becomes gunicorn's arbiter. It forks one worker process, in which first *on_worker_start* is called
    and then *app_factory*; one that dies is followed by another at once, while *sock* stays open. At SIGTERM nothing
    more is accepted, what is being answered is answered for up to *graceful_timeout* seconds, the application's
    shutdown handlers run, and the process exits with 0. SIGINT and SIGHUP are ignored, because a terminal sends them
    to every process of a daemon: ending in order is the supervisor's decision. An application that cannot be made
    ends this process with another exit code.
    """
    _Application(app_factory, sock.detach(), graceful_timeout, on_worker_start).run()
    raise SystemExit(0)


class _Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(
        self,
        app_factory: Callable[[], Any],
        listener: int,
        graceful_timeout: float,
        on_worker_start: Callable[[], None] | None,
    ) -> None:
        self._app_factory = app_factory
        self._settings = {
            "bind": [f"fd://{listener}"],
            "workers": 1,
            "worker_class": _Worker,
            "timeout": _DEAD_AFTER,
            # The arbiter kills at its own limit: the worker must have given up before.
            "graceful_timeout": math.ceil(graceful_timeout) + 2,
            "keepalive": _KEEP_ALIVE,
            "worker_connections": _MOST_CONNECTIONS,
            "asgi_loop": "asyncio",
            "asgi_lifespan": "on",
            # X-Forwarded-For is judged by `trusted_proxies`, nowhere else.
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "accesslog": None,
            "loglevel": "warning",
            "logger_class": _Log,
            "proc_name": "callrouter",
            # A heartbeat must not wait for a disk.
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108 (memory, not a file)
            "when_ready": _ignore_the_terminal,
        }
        if on_worker_start is not None:
            self._settings["post_fork"] = lambda _arbiter, _worker: on_worker_start()
        self.graceful_seconds = graceful_timeout
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._app_factory()


def _ignore_the_terminal(arbiter: Any) -> None:
    # The others would reload, start a second gunicorn or change the number of workers: none of it is ours.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)


class _Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's lines go the way of all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True


class _Worker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's worker, which stops at once and knows its connections.

    gunicorn's own notices SIGTERM up to a second late, and then waits for every idle keep-alive connection until
    the whole graceful timeout has passed.
    """

    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[_Connection] = set()
        self._stopping = asyncio.Event()

    def init_signals(self) -> None:
        super().init_signals()
        self.loop.remove_signal_handler(signal.SIGINT)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def handle_exit_signal(self) -> None:
        super().handle_exit_signal()
        self._stopping.set()

    def handle_quit_signal(self) -> None:
        super().handle_quit_signal()
        self._stopping.set()

    async def _serve(self) -> None:
        lifespan = LifespanManager(self.asgi, self.log, self.state)
        await lifespan.startup()
        servers = [
            await self.loop.create_server(lambda: _Connection(self), sock=listener.sock) for listener in self.sockets
        ]
        while self.alive and self.ppid == os.getppid():
            self.notify()
            try:
                await asyncio.wait_for(self._stopping.wait(), 1.0)
            except TimeoutError:
                continue
        self.alive = False
        for server in servers:
            server.close()
        await self._finish_requests()
        await lifespan.shutdown()

    async def _finish_requests(self) -> None:
        deadline = self.loop.time() + self.app.graceful_seconds
        # What has reached this machine by now is read before idle connections are told from busy ones.
        await asyncio.sleep(0.05)
        while self.connections and self.loop.time() < deadline and not self._quick_shutdown:
            for connection in list(self.connections):
                connection.close_if_idle()
            self.notify()
            await asyncio.sleep(0.02)


class _Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's connection, with a limit on how many there are and on how long one may say nothing."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._first_request = self.worker.loop.call_later(_FIRST_REQUEST, self._expect_first_request)
        self.worker.connections.add(self)
        if len(self.worker.connections) > self.cfg.worker_connections:
            self._send_error_response(503, "There are too many connections.")
            self._close_transport()
            self._request_ready.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._first_request.cancel()
        self.worker.connections.discard(self)

    def close_if_idle(self) -> None:
        """Hang up unless a request is being read or answered."""
        if self._awaiting_request and not self._request_ready.is_set():
            self._close_transport()
            self._request_ready.set()

    def _expect_first_request(self) -> None:
        # After the first, gunicorn's keep-alive timer limits this.
        if self.req_count <= 1:
            self.close_if_idle()

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        """Answer what never became a request in the shape of every other error."""
        body = errors.problem(status, message)
        retry = f"Retry-After: {errors.RETRY_AFTER}\r\n" if status == 503 else ""
        self._safe_write(
            f"HTTP/1.1 {status} {self._get_reason_phrase(status)}\r\nContent-Type: {errors.MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n{retry}Connection: close\r\n\r\n".encode()
            + body
        )
