"""What a running daemon cannot change stays, is named, and opens no door."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.config import Address
from router.errors import ConfigError
from router.reload.fixed import keeping, said, waits_for_restart

OPEN = Address("0.0.0.0", 8080)


def test_the_new_values_of_fixed_keys_are_named_and_left_alone(write, tmp_path):
    running = write()
    new = replace(write("two", port=9090), data=tmp_path / "elsewhere")

    assert waits_for_restart(new, running) == ("listen", "store")
    kept = keeping(new, running)
    assert (kept.listen, kept.data, kept.version) == (running.listen, running.data, new.version)
    assert waits_for_restart(kept, running) == ()


def test_a_source_without_auth_is_not_opened_to_strangers_until_the_restart(write):
    guarded = write(**{"wavix: {}": "wavix: {auth: {token: a}}"})
    running = replace(guarded, listen=OPEN)

    with pytest.raises(ConfigError, match='"wavix" has no auth, and listen is 0'):
        keeping(write(), running)


def test_a_source_that_was_open_before_stays_so(write):
    running = replace(write(), listen=OPEN)

    assert keeping(write("two"), running).listen == OPEN


def test_what_waits_is_said_in_one_sentence():
    assert said(("listen",)) == "listen changed: it takes effect at the next start"
    assert said(("listen", "store")) == "listen and store changed: they take effect at the next start"
