"""Posting events as a phone system would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

import router
from router import authentication, samples
from router.cli import credentials
from router.clock import parse
from router.errors import NotAuthentic

PROBLEM = {"title": "Unprocessable", "detail": "Not a call event.", "faults": [{"path": "uuid", "text": "is missing"}]}
WEBHOOK_SECRETS = (
    "[whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=, whsec_OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg=]"
)


class Receiver(ThreadingHTTPServer):
    """Takes events at /webhooks/phone as the daemon would, and remembers them with their moment."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.checks: tuple[authentication.Authentication, ...] = ()
        self.got: list[tuple[float, bytes]] = []
        self.refuse = self.full = False


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = authentication.Request(headers, {}, body, ip_address("127.0.0.1"), time.time())
        status, answer = 200, {}
        try:
            for check in self.server.checks:
                check.verify(request)
        except NotAuthentic as ex:
            status, answer = 401, {"title": "Unauthorized", "detail": str(ex)}
        if self.path != "/webhooks/phone":
            status = 404
        elif self.server.refuse:
            status, answer = 422, PROBLEM
        elif self.server.full:
            status, answer = 503, {"title": "Service Unavailable", "detail": "The event could not be kept."}
        if status == 200:
            self.server.got.append((request.now, body))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def config(write_config, receiver):
    return write_config(port=receiver.server_port)


def test_a_file_is_posted_byte_for_byte(run, config, receiver, folder):
    (folder / "event.json").write_bytes(samples.documented())

    ran = run("send", "event.json")

    assert ran.code == 0
    assert [body for _, body in receiver.got] == [samples.documented()]
    assert "call_setup" in ran.out
    assert "  200  " in ran.out


@pytest.mark.parametrize("name", samples.names())
def test_a_sample_is_posted_whole_and_has_just_ended(run, config, receiver, name):
    ran = run("send", "--sample", name, "--speed", "1000", "--json")

    assert ran.code == 0
    sent = [json.loads(body) for _, body in receiver.got]
    assert [event["event_type"] for event in sent] == [
        timed.event["event_type"] for timed in samples.play(name, started_at=0)
    ]
    assert [line["type"] for line in ran.json] == [event["event_type"] for event in sent]
    assert {line["status"] for line in ran.json} == {200}
    assert abs(parse(sent[-1]["event_time"]) - receiver.got[-1][0]) < 5


def test_a_sample_says_where_to_look_next(run, config, receiver):
    ran = run("send", "--sample", "busy", "--uuid", "5dccb6b0-f35c-488c-867b-86fb012c4415", "--speed", "99")

    assert ran.err == "What becomes of it: callrouter calls 5dccb6b0\n"


def test_a_daemon_that_cannot_keep_an_event_is_to_be_asked_why(run, config, receiver, folder):
    receiver.full = True

    ran = run("send", "--sample", "busy", "--speed", "99")

    assert ran.code == 3
    assert "  callrouter status says why.\n" in ran.err
    assert "What becomes of it" not in ran.err


def test_a_sample_has_the_numbers_and_the_uuid_it_is_given(run, config, receiver):
    uuid = "5dccb6b0-f35c-488c-867b-86fb012c4415"

    run("send", "--sample", "busy", "--from", "+442079460001", "--to", "+442079460002", "--uuid", uuid, "--speed", "99")

    assert {
        (event["from"], event["to"], event["uuid"]) for event in (json.loads(body) for _, body in receiver.got)
    } == {("+442079460001", "+442079460002", uuid)}


def test_a_refused_event_is_told_with_every_fault_by_its_path(run, config, receiver, folder):
    receiver.refuse = True
    (folder / "event.json").write_text("{}")

    ran = run("send", "event.json")

    assert ran.code == 3
    assert "  422  " in ran.out
    assert "uuid: is missing" in ran.err
    assert "Not a call event." in ran.err


@pytest.mark.parametrize(
    "auth",
    [
        "{token: hush}",
        "{basic: {user: wavix, password: hush}}",
        "{header: {name: X-Key, value: hush}}",
        '{hmac: {header: X-Signature, secret: hush, algorithm: sha256, encoding: hex, prefix: "sha256="}}',
        "{hmac: {header: X-Signature, secret: hush, algorithm: sha1, encoding: base64}}",
        f"{{standard-webhooks: {WEBHOOK_SECRETS}}}",
        "{token: hush, basic: {user: wavix, password: hush}, allow: [127.0.0.0/8]}",
    ],
)
def test_whatever_a_source_demands_is_carried(run, write_config, receiver, folder, auth):
    receiver.checks = write_config(port=receiver.server_port, auth=auth).sources["phone"].authentication
    (folder / "event.json").write_bytes(samples.documented())

    assert receiver.checks
    assert run("send", "event.json").code == 0
    assert len(receiver.got) == 1


def test_credentials_pass_the_checks_they_are_for_and_no_others(write_config):
    checks = write_config(auth="{hmac: {header: X-Signature, secret: hush}}").sources["phone"].authentication

    carried = {name.lower(): value for name, value in credentials.headers(checks, b"one body", 0).items()}

    checks[0].verify(authentication.Request(carried, {}, b"one body", None, 0))
    with pytest.raises(NotAuthentic):
        checks[0].verify(authentication.Request(carried, {}, b"another", None, 0))


def test_with_nobody_listening_it_says_how_to_start_the_daemon(run, write_config):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        write_config(port=free.getsockname()[1])

        ran = run("send", "--sample", "busy")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("callrouter: the event could not be posted to 127.0.0.1:")
    assert "callrouter run" in ran.err


def test_a_port_that_the_system_chose_is_asked_of_the_daemon(run, write_config, receiver, folder, daemon_says):
    write_config(port=0)
    daemon_says(listen=f"127.0.0.1:{receiver.server_port}")
    (folder / "event.json").write_bytes(samples.documented())

    assert run("send", "event.json").code == 0


def test_without_a_daemon_a_port_that_the_system_chose_is_not_known(run, write_config):
    write_config(port=0)

    ran = run("send", "--sample", "busy")

    assert ran.code == 1
    assert "the daemon is not running. Start it with: callrouter run" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Give a FILE"),
        (["event.json", "--sample", "busy"], "not both"),
        (["event.json", "--from", "+44"], "--from belongs to --sample"),
        (["event.json", "--source", "fax"], 'No source is called "fax"; there are: phone.'),
    ],
)
def test_a_wrong_command_line_is_refused(run, config, folder, arguments, says):
    (folder / "event.json").write_text("{}")

    ran = run("send", *arguments)

    assert ran.code == 2
    assert says in ran.err


def test_ctrl_c_ends_a_call_in_the_middle_quietly(config, receiver):
    playing = subprocess.Popen(
        [sys.executable, "-m", "router", "send", "--sample", "answered", "--speed", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(router.__file__).parents[1])},
    )
    playing.stdout.readline()
    playing.send_signal(signal.SIGINT)
    _, err = playing.communicate(timeout=30)

    assert (playing.returncode, err) == (130, b"")
    assert len(receiver.got) == 1
