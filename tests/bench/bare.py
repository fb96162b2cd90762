"""The least a webhook receiver can do with Falcon: read the body, answer 200, keep nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import falcon.asgi

from router.web.server import serve
from tests.harness.daemon import request
from tests.harness.waiting import until

_ROOT = Path(__file__).parents[2]


class _Webhooks:
    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, source: str) -> None:
        await req.stream.read()
        resp.media = {}


app = falcon.asgi.App()
app.add_route("/webhooks/{source}", _Webhooks())


class BareServer:
    """The app above, served exactly as callrouter serves its own: same gunicorn, same worker class, same settings."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks/wavix"
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.harness.tethered",
                    sys.executable,
                    "-m",
                    __name__,
                    str(listener.fileno()),
                ],
                cwd=_ROOT,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        until(lambda: request("POST", self.url, b"{}", timeout=2).status == 200, 20, what="the bare server answers")

    @property
    def pid(self) -> int:
        """The first of its processes, which names their session."""
        return self._process.pid

    def close(self) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)

    def __enter__(self) -> BareServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if __name__ == "__main__":
    serve(lambda: app, socket.socket(fileno=int(sys.argv[1])), graceful_timeout=1)
