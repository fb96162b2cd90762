"""Each breach of the contract of ``deliver_many`` is named."""

from __future__ import annotations

import contextlib
import threading

import pytest

from router.errors import DeliveryFailed, PermanentFailure
from router.plugin import Plugin, Secret, Settings, setting
from router.testing import check_plugin


class Keys(Settings):
    token: Secret = setting("The token.")


class Model(Plugin[Keys]):
    type = "model"
    Settings = Keys
    batch_size = 20

    def deliver(self, delivery):
        self.http.request("POST", "https://crm.example", json=delivery.key)

    def deliver_many(self, deliveries):
        self.http.request("POST", "https://crm.example", json=[one.key for one in deliveries])
        return [{"id": one.key} for one in deliveries]


class Partly(Model):
    def deliver_many(self, deliveries):
        results = []
        for one in deliveries:
            try:
                results.append(self.deliver(one))
            except DeliveryFailed as ex:
                results.append(ex)
        return results


def broken(**parts):
    return type("Broken", (Model,), parts)


def _swallow(self, deliveries):
    with contextlib.suppress(DeliveryFailed):
        return Model.deliver_many(self, deliveries)
    return [None] * len(deliveries)


def _tell(self, deliveries):
    try:
        return Model.deliver_many(self, deliveries)
    except DeliveryFailed as ex:
        return [PermanentFailure(self.settings.token.reveal())] * len(deliveries) or ex


@pytest.mark.parametrize("plugin", [Model, Partly])
def test_a_plugin_that_keeps_the_contract_passes(plugin):
    assert check_plugin(plugin, {"token": "s3cret"}) == []


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        (broken(batch_size=1), "it has `deliver_many` and no `batch_size`"),
        (broken(deliver_many=Plugin.deliver_many), "it has `deliver_many` and no `batch_size`"),
        (broken(deliver_many=lambda self, some: []), "did not return 10 results"),
        (broken(deliver_many=lambda self, some: [1] * len(some)), "no receipt, no failure and not None"),
        (broken(deliver_many=lambda self, some: [{"a": {1}}] * len(some)), "no receipt, no failure and not None"),
        (broken(deliver_many=lambda self, some: [{}["x"]]), "a batch was not delivered: KeyError"),
        (broken(deliver_many=lambda self, some: [PermanentFailure("no")] * len(some)), "in a batch was not delivered"),
        (broken(deliver_many=_swallow), "a TemporaryFailure during a batch was swallowed"),
        (broken(deliver_many=_tell), "during a batch brought a secret to light"),
    ],
)
def test_each_breach_is_named(plugin, complaint):
    problems = check_plugin(plugin, {"token": "s3cret"})

    assert any(complaint in problem for problem in problems), problems


def test_a_batch_that_hangs_is_left_behind_and_named():
    release = threading.Event()
    plugin = broken(deliver_many=lambda self, some: release.wait(30))

    problems = check_plugin(plugin, {"token": "s3cret"}, time_limit=0.5)
    release.set()

    assert problems == ["a batch did not end within 0.5s"]
