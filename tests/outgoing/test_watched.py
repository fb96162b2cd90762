"""What is shown of requests and answers that somebody watches, and which secrets are in none of it."""

from __future__ import annotations

import json

import pytest

from router.errors import DeliveryFailed, PermanentFailure
from router.outgoing import Watch
from router.plugin import MailServer, Secret
from tests.harness.mail_server import PASSWORD, USER
from tests.harness.mail_server import MailServer as Server
from tests.harness.recording import Recorder, Reply


@pytest.fixture
def recorder():
    with Recorder() as server:
        yield server


def test_a_request_is_shown_as_it_left(recorder):
    watch = Watch()

    watch.http(timeout=5.0).request("PUT", recorder.url + "calls/7", headers={"X-Plain": "1"}, json={"a": "é"})

    (shown,) = watch.shown([])
    (received,) = recorder.requests
    assert (shown["method"], shown["url"], json.loads(shown["body"])) == ("PUT", recorder.url + "calls/7", {"a": "é"})
    assert {name.lower(): value for name, value in shown["headers"].items()}.items() <= received.headers.items()
    assert (shown["answer"]["status"], shown["answer"]["body"], shown["failure"]) == (200, "ok", None)


def test_hosts_are_told_before_anything_is_sent_there(recorder):
    told = []
    recorder.judge(lambda _: Reply(200, b"".join(host.encode() for host in told)))
    watch = Watch(told.append)

    assert watch.http(timeout=5.0).request("GET", recorder.url).body.decode() == recorder.url[7:-1]


@pytest.mark.parametrize(
    "secret", ["pa$$/word+with %signs", 'quo"ted\\back', "plain-token-1234"], ids=["of a url", "of json", "plain"]
)
def test_a_secret_of_the_settings_is_shown_nowhere_however_it_is_written(recorder, secret):
    from urllib.parse import quote, quote_plus, urlencode

    recorder.judge(lambda request: Reply(200, b"you sent " + request.body + secret.encode()))
    watch = Watch()
    http = watch.http(timeout=5.0)
    http.request("POST", f"{recorder.url}?key={quote(secret, safe='')}", body=urlencode({"t": secret}).encode())
    http.request("POST", recorder.url, json={"t": f"Token {secret}!"}, headers={"X-Key": quote(secret)})
    http.request("POST", recorder.url, body=secret.encode(), headers={"X-Key": Secret(secret)})

    said = json.dumps(watch.shown([secret]))
    for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert form not in said
    assert "<secret>" in said


def test_a_token_that_was_answered_is_shown_neither_there_nor_where_it_was_used(recorder):
    answer = b'{"access_token": "00Dgranted", "refresh": 3, "id_token": "eyJhb", "also": "00Dgranted"}'
    recorder.judge(lambda request: Reply(200, answer))
    watch = Watch()
    http = watch.http(timeout=5.0)
    token = json.loads(http.request("POST", recorder.url, body=b"grant_type=refresh&refresh_token=1000.old").body)[
        "access_token"
    ]
    http.request("GET", recorder.url + "records?q=7", headers={"Authorization": Secret(f"Bearer {token}")})

    said = json.dumps(watch.shown([]))

    assert "00Dgranted" not in said
    assert "eyJhb" not in said
    assert "1000.old" not in said
    assert "grant_type=refresh" in said
    assert "records?q=7" in said


def test_of_a_secret_address_only_the_host_is_shown(recorder):
    host = recorder.url[7:-1]
    watch = Watch()
    http = watch.http(timeout=5.0)
    http.request("POST", Secret(f"http://me:pass@{host}/services/T0/xyz?sig=1"))
    http.request("POST", Secret(f"http://{host}/"))
    http.request("POST", f"http://me:pass@{host}/open?token=abc&page=2", headers={"Authorization": "Basic plain"})

    shown = watch.shown([])
    urls = [one["url"] for one in shown]

    assert shown[2]["headers"]["Authorization"] == "<secret>"

    assert urls == [f"http://{host}/<secret>", f"http://{host}", f"http://{host}/open?token=<secret>&page=2"]


def test_a_refusal_and_a_connection_that_broke_are_shown_beside_their_request(recorder):
    recorder.judge(lambda request: Reply(422, b"no such field") if request.method == "PUT" else Reply(lost=True))
    watch = Watch()
    http = watch.http(timeout=5.0)
    for method in ("PUT", "POST"):
        with pytest.raises(DeliveryFailed):
            http.request(method, recorder.url)

    refused, lost = watch.shown([])

    assert (refused["answer"]["status"], refused["answer"]["body"]) == (422, "no such field")
    assert "422" in refused["failure"]
    assert lost["answer"] is None
    assert "whether it accepted is not known" in lost["failure"]


def test_what_is_long_is_cut(recorder):
    recorder.judge(lambda _: Reply(200, b"y" * 10_000))
    watch = Watch()
    watch.http(timeout=5.0).request("POST", recorder.url, body=b"x" * 10_000)

    (shown,) = watch.shown([])

    assert (len(shown["body"]), shown["cut"]) == (4096, True)
    assert (len(shown["answer"]["body"]), shown["answer"]["cut"]) == (2048, True)


def test_a_mail_is_shown_with_its_headers_and_text(recorder):
    message = b"Subject: Missed call\r\nTo: b@example.com\r\n\r\nfrom s3cret-in-text\r\n"
    watch = Watch()
    with Server(replies={"RCPT c@example.com": "550 nobody"}) as server:
        by = MailServer("127.0.0.1", server.port, "none")
        watch.mail(timeout=5.0).send(by, "a@example.com", ["b@example.com"], message)
        with pytest.raises(DeliveryFailed):
            watch.mail(timeout=5.0).send(by, "a@example.com", ["c@example.com"], message)

    taken, refused = watch.shown(["s3cret-in-text"])

    assert (taken["server"], taken["from"], taken["to"]) == (
        f"127.0.0.1:{server.port}",
        "a@example.com",
        ["b@example.com"],
    )
    assert taken["headers"] == {"Subject": "Missed call", "To": "b@example.com"}
    assert taken["body"].strip() == "from <secret>"
    assert taken["failure"] is None
    assert "550 nobody" in refused["failure"]


def test_the_password_of_a_mail_server_is_not_shown(recorder):
    watch = Watch()
    with Server() as server:
        by = MailServer("127.0.0.1", server.port, "none", USER, Secret(PASSWORD))
        with pytest.raises(DeliveryFailed):
            watch.mail(timeout=5.0).send(by, "a@example.com", ["b@example.com"], f"X: y\r\n\r\n{PASSWORD}".encode())

    said = json.dumps(watch.shown([]))

    assert PASSWORD not in said
    assert USER in said


def test_the_address_that_is_refused_was_never_reached():
    watch = Watch()
    with pytest.raises(PermanentFailure):
        watch.http(timeout=5.0).request("POST", "http://169.254.169.254/latest")

    (shown,) = watch.shown([])

    assert shown["answer"] is None
    assert "169.254.169.254" in shown["failure"]
