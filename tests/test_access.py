"""Access tokens are fetched once, however many threads need one."""

from __future__ import annotations

import threading

import pytest

from router.access import MARGIN, REFUSED_FOR, Access, Grant, ask_for_token
from router.errors import DeliveryFailed, DestinationUnusable, TemporaryFailure
from router.outgoing import RequestsHttp
from router.plugin import Secret
from tests.harness.recording import Recorder, Reply
from tests.harness.vendor import reply


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Fetch:
    """Gives a new token each time, or none."""

    def __init__(self, *, lasts=None, fails=False, wait=9.0):
        self.lasts, self.fails, self.wait, self.calls = lasts, fails, wait, 0

    def __call__(self):
        self.calls += 1
        if self.fails:
            raise TemporaryFailure("accounts answered 503", status=503, retry_after=self.wait)
        return Grant(Secret(f"token-{self.calls}"), "https://crm.example", self.lasts)


def test_a_token_is_used_until_shortly_before_its_end():
    clock, fetch = Clock(), Fetch(lasts=3600.0)
    access = Access(clock)

    for clock.now in (0.0, 100.0, 3600.0 - MARGIN - 1):
        assert access.get(fetch).token.reveal() == "token-1"
    clock.now = 3600.0 - MARGIN
    assert access.get(fetch).token.reveal() == "token-2"


def test_threads_that_are_refused_together_fetch_one_new_token():
    access, fetch = Access(Clock()), Fetch()
    old = access.get(fetch)
    ready = threading.Barrier(8)
    got = []

    def refused_and_again():
        ready.wait(10)
        access.drop(old)
        got.append(access.get(fetch).token.reveal())

    threads = [threading.Thread(target=refused_and_again) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert got == ["token-2"] * 8
    assert fetch.calls == 2


def test_a_refusal_is_everybodys_answer_for_a_while():
    clock, fetch = Clock(), Fetch(fails=True)
    access = Access(clock)

    for _ in range(3):
        with pytest.raises(TemporaryFailure, match="answered 503") as caught:
            access.get(fetch)
        assert (caught.value.status, caught.value.retry_after) == (503, 9.0)
    assert fetch.calls == 1
    clock.now, fetch.fails = REFUSED_FOR, False
    assert access.get(fetch).token.reveal() == "token-2"


def test_who_is_refused_without_a_try_comes_again_when_one_may_be_made():
    clock, fetch = Clock(), Fetch(fails=True, wait=None)
    access = Access(clock)

    for clock.now, wait in ((0.0, None), (4.0, REFUSED_FOR - 4.0)):
        with pytest.raises(TemporaryFailure) as caught:
            access.get(fetch)
        assert caught.value.retry_after == wait


def test_a_request_whose_token_is_old_is_made_once_more_with_a_new_one():
    access, fetch, used = Access(Clock()), Fetch(), []

    def send(grant):
        used.append(grant.token.reveal())
        raise DestinationUnusable("crm answered 401", status=401)

    with pytest.raises(DestinationUnusable):
        access.use(fetch, send, lambda refused: refused.status == 401)
    with pytest.raises(DestinationUnusable):
        access.use(fetch, send, lambda refused: refused.status == 403)

    assert used == ["token-1", "token-2", "token-2"]


def asked(reply: Reply):
    """What a server of tokens that answers *reply* was asked, and the answer or the failure."""
    with Recorder(lambda _: reply) as server:
        try:
            said = ask_for_token(RequestsHttp(timeout=5), server.url, {"scope": "a b&c"}, {"X-Id": "1"})
        except DeliveryFailed as ex:
            said = ex
        return server.requests[0], said


def test_a_token_is_asked_for_with_a_form():
    request, said = asked(reply(200, {"access_token": "t", "expires_in": 60}))

    assert said == {"access_token": "t", "expires_in": 60}
    assert (request.method, request.body) == ("POST", b"scope=a+b%26c")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (request.headers["accept"], request.headers["x-id"]) == ("application/json", "1")


REFUSED, NONE_THERE = "the credentials are refused: 127.0.0.1", "no access token: 127.0.0.1"


@pytest.mark.parametrize(
    ("answer", "failure", "said"),
    [
        (reply(400, {"error": "invalid_client"}), DestinationUnusable, REFUSED),
        (reply(401, {"error": "invalid_client"}), DestinationUnusable, REFUSED),
        (reply(403), DestinationUnusable, REFUSED),
        (reply(404), DestinationUnusable, NONE_THERE),
        (reply(302, Location="https://elsewhere.example"), DestinationUnusable, NONE_THERE),
        (reply(400, {"error": "temporarily_unavailable"}), TemporaryFailure, NONE_THERE),
        (reply(408), TemporaryFailure, NONE_THERE),
        (reply(429), TemporaryFailure, NONE_THERE),
        (reply(500), TemporaryFailure, NONE_THERE),
        (Reply(lost=True), TemporaryFailure, NONE_THERE),
        (reply(200, {"error": "invalid_code"}), DestinationUnusable, "the credentials are refused: the answer says"),
        (reply(200, {"error": "server_error"}), TemporaryFailure, "no access token: the answer says server_error"),
        (reply(200, {"access_token": ""}), DestinationUnusable, "no access token: there is none in the answer"),
        (Reply(200, b"<html>"), DestinationUnusable, "no access token: there is none in the answer"),
        (reply(200, ["access_token"]), DestinationUnusable, "no access token: there is none in the answer"),
    ],
)
def test_a_refused_token_pauses_the_destination_and_any_other_failure_is_tried_again(answer, failure, said):
    _, failed = asked(answer)

    assert type(failed) is failure
    assert failed.reason.startswith(said)


def test_the_wait_that_a_server_of_tokens_asks_for_is_heeded():
    _, failed = asked(reply(503, Retry_After="77"))

    assert failed.retry_after == 77.0


def test_the_same_credentials_share_a_token_and_others_do_not():
    assert Access.of(("a", Secret("s"))) is Access.of(("a", Secret("s")))
    assert Access.of(("a", Secret("s"))) is not Access.of(("a", Secret("t")))
