"""What the services of Apprise are told, through the real library and a real receiver."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading

import pytest

from plugins import apprise
from plugins.apprise import Apprise
from router.errors import AnswerLost, DestinationUnusable, TemporaryFailure
from router.testing import HOSTILE, RecordingHttp, make_delivery
from tests.harness.recording import Recorder, Reply
from tests.harness.whole_calls import CALLS, deliveries, ends, tell


def service(recorder, **settings):
    address = recorder.url.removeprefix("http://").rstrip("/")
    url = f"json://me:s3cret-password@{address}/s3cret-path"
    return Apprise(Apprise.Settings.model_validate({"url": url, **settings}), RecordingHttp())


def told(delivery, **settings):
    with Recorder() as recorder:
        service(recorder, **settings).deliver(delivery)
    said = json.loads(recorder.requests[0].body)
    return said["title"], said["message"]


def test_a_missed_call_reads_at_a_glance_with_the_number_to_call_back():
    [end] = deliveries("missed", ends)

    assert told(end) == (
        "📵 Missed call from +44 7700 900123",
        "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back +447700900123",
    )


@pytest.mark.parametrize("call", list(CALLS))
def test_the_end_of_a_whole_call_is_told_once(call):
    with Recorder() as recorder:
        tell(service(recorder), deliveries(call, ends))

    assert len(recorder.accepted) == 1


def test_a_text_of_one_line_is_title_and_body():
    assert told(make_delivery(), text="Missed {{ event.tag }}call") == ("Missed call", "Missed call")


@pytest.mark.parametrize("text", [*HOSTILE, None])
def test_no_text_of_a_stranger_leaves_its_line(text):
    title, body = told(make_delivery(event={"tag": text, "from": text}), text="{{ event.tag }}.\n{{ event.from }}.")

    assert "\n" not in title + body
    assert len(title) <= 200


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_whatever_the_service_refuses_is_tried_again(status):
    with (
        Recorder(lambda _: Reply(status, b"no")) as recorder,
        pytest.raises(TemporaryFailure, match="Apprise could not tell the service: ") as caught,
    ):
        service(recorder).deliver(make_delivery())

    assert "s3cret" not in str(caught.value)


def test_a_service_that_takes_too_long_may_have_been_told(monkeypatch):
    monkeypatch.setattr(apprise, "TIMEOUT", 0.2)
    release = []

    def slow(_):
        release.append(threading.Event())
        release[-1].wait(10)
        return Reply()

    with Recorder(slow) as recorder:
        with pytest.raises(AnswerLost, match=r"within 0\.2s"):
            service(recorder).deliver(make_delivery())
        for each in release:
            each.set()


def test_the_library_writes_no_address_into_our_log():
    # A handler as ours is; caplog would listen to the library itself.
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with Recorder(lambda _: Reply(500, b"no")) as recorder, pytest.raises(TemporaryFailure):
            service(recorder).deliver(make_delivery())
    finally:
        root.removeHandler(handler)
        root.setLevel(level)

    assert written.getvalue() == ""


def test_without_the_library_the_configuration_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(ValueError, match="pip install"):
        Apprise.Settings.model_validate({"url": "json://127.0.0.1"})


def test_a_library_that_is_gone_pauses_the_destination(monkeypatch):
    with Recorder() as recorder:
        made = service(recorder)
        monkeypatch.setitem(sys.modules, "apprise", None)
        with pytest.raises(DestinationUnusable, match="pip install"):
            made.deliver(make_delivery())


@pytest.mark.parametrize("url", ["nonsense://x", "slack://", "x"])
def test_an_address_that_apprise_does_not_know_is_refused(url):
    with pytest.raises(ValueError, match="Apprise knows no service"):
        Apprise.Settings.model_validate({"url": url})
