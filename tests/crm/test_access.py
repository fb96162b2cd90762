"""Access tokens are fetched once, however many threads need one."""

from __future__ import annotations

import threading

import pytest

from router.crm.access import MARGIN, REFUSED_FOR, Access, Grant
from router.errors import TemporaryFailure
from router.plugin import Secret


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


def test_the_same_credentials_share_a_token_and_others_do_not():
    assert Access.of(("a", Secret("s"))) is Access.of(("a", Secret("s")))
    assert Access.of(("a", Secret("s"))) is not Access.of(("a", Secret("t")))
