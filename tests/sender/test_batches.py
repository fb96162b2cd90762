"""Several deliveries told together: each has an outcome of its own, and none takes the others along."""

from __future__ import annotations

import json
import threading
import time

import pytest

from router.calls import Call
from router.config.model import Destination
from router.errors import (
    AnswerLost,
    DeliveryFailed,
    DestinationUnusable,
    PermanentFailure,
    TakenAsDelivered,
    TemporaryFailure,
)
from router.plugin import Plugin, Settings, Template
from router.retry import RetryPolicy
from router.sender import Job, Outcome
from router.sender.batches import TIMES_LONGER, Batches
from router.sender.begun import Begun, Stage, memory
from router.sender.lanes import Lane
from tests.harness.recording import Recorder, Reply
from tests.sender.conftest import make_job, wait_for

SIZE = 8


def job(number: int, **changes) -> Job:
    return make_job(number)._replace(call=Call("wavix", f"c{number}").values(), **changes)


class Text(Settings):
    text: Template = Template("usual")


class Calls:
    """Batches of a plugin that does what *tell* does with several, and delivers one by itself."""

    def __init__(self, tell, alone=lambda delivery: {"alone": True}, *, overrides=None, timeout=30.0):
        self.together: list[list[str]] = []
        self.alone: list[str] = []
        self.begun = Begun(memory())
        calls = self

        class Several(Plugin[Text]):
            type = "several"
            Settings = Text
            batch_size = SIZE

            def deliver(self, delivery):
                calls.alone.append(delivery.key)
                return alone(delivery)

            def deliver_many(self, deliveries):
                calls.together.append([delivery.key for delivery in deliveries])
                return tell(self, deliveries)

        destination = Destination(
            name="crm",
            plugin=Several,
            settings=Text(),
            fingerprint="",
            disabled=None,
            retry=RetryPolicy(),
            order="call",
            timeout=timeout,
        )
        self.batches = Batches(destination, overrides or {}, begun=self.begun)

    def make(self, *jobs: Job) -> dict[int, Outcome]:
        return {outcome.delivery_id: outcome for outcome in self.batches.together(jobs)}


def fail(ex):
    def tell(plugin, deliveries):
        raise ex

    return tell


def test_each_delivery_of_a_batch_ends_as_its_own_result_says():
    results = [
        {"id": "7"},
        None,
        TemporaryFailure("locked", status=207, retry_after=9.0),
        PermanentFailure("wrong", status=207),
        AnswerLost("nothing was said of it"),
        DestinationUnusable("no such field"),
        TakenAsDelivered("it is there", status=409),
        {"id": object()},
    ]
    calls = Calls(lambda plugin, deliveries: results)

    made = calls.make(*map(job, range(8)))

    assert [made[number].kind for number in range(8)] == [
        "delivered", "delivered", "temporary", "permanent", "unknown", "unusable", "delivered", "delivered",
    ]  # fmt: skip
    assert (made[0].receipt, made[1].receipt) == ({"id": "7"}, None)
    assert (made[2].reason, made[2].retry_after, made[3].status) == ("locked", 9.0, 207)
    assert "was not kept" in made[7].reason
    assert {one.batch for one in made.values()} == {None}


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TemporaryFailure("full", status=429, retry_after=30.0), "temporary"),
        (AnswerLost("gone"), "unknown"),
        (DestinationUnusable("401"), "unusable"),
    ],
)
def test_what_a_batch_raises_counts_for_each_of_it_and_is_one_failure(failure, kind):
    calls = Calls(fail(failure))

    made = calls.make(*map(job, range(3, 6)))

    assert [(one.kind, one.reason, one.batch) for one in made.values()] == [(kind, failure.reason, 3)] * 3
    assert {one.retry_after for one in made.values()} == {getattr(failure, "retry_after", None)}
    assert (len(calls.together), calls.alone) == (1, [])


@pytest.mark.parametrize(
    "ex", [PermanentFailure("422", status=422), TakenAsDelivered("409", status=409), KeyError("to"), SystemExit(3)]
)
def test_a_batch_that_is_refused_as_a_whole_is_halved_until_who_is_at_fault_stands_alone(ex, caplog):
    def tell(plugin, deliveries):
        if any(delivery.key == "key-5" for delivery in deliveries):
            raise ex
        return [{"together": len(deliveries)}] * len(deliveries)

    def alone(delivery):
        if delivery.key == "key-5":
            raise PermanentFailure("this one")
        return {"alone": True}

    calls = Calls(tell, alone)

    made = calls.make(*map(job, range(8)))

    assert [number for number, one in made.items() if one.kind != "delivered"] == [5]
    assert made[5].reason == "this one"
    assert (made[0].receipt, made[6].receipt) == ({"together": 4}, {"together": 2})
    assert len(calls.together) + len(calls.alone) <= 7
    # An operator hears of a bug once, and of a refusal not at all: the one at fault says it.
    assert len(caplog.records) == (not isinstance(ex, DeliveryFailed))


@pytest.mark.parametrize("results", [[], [None], None, 7])
def test_results_that_are_not_one_for_each_are_a_bug_and_each_is_made_alone(results):
    calls = Calls(lambda plugin, deliveries: results)

    made = calls.make(*map(job, range(4)))

    assert {one.kind for one in made.values()} == {"delivered"}
    assert sorted(calls.alone) == [f"key-{number}" for number in range(4)]


def test_a_rule_with_a_text_of_its_own_has_a_batch_of_its_own():
    def tell(plugin, deliveries):
        return [{"said": one.render(plugin.settings.text), "of": len(deliveries)} for one in deliveries]

    calls = Calls(tell, overrides={"vip": Text(text=Template("own"))})

    made = calls.make(job(1), job(2, rule="vip"), job(3), job(4, rule="vip"), job(5, rule=None))

    assert {number: one.receipt["said"] for number, one in made.items()} == {
        1: "usual", 2: "own", 3: "usual", 4: "own", 5: "usual",
    }  # fmt: skip
    assert sorted(one.receipt["of"] for one in made.values()) == [2, 2, 3, 3, 3]


def test_a_template_that_cannot_be_filled_in_is_told_of_its_own_delivery():
    def tell(plugin, deliveries):
        return [{"said": one.render(plugin.settings.text)} for one in deliveries]

    template = Template("{{ event.name }}")
    calls = Calls(tell, overrides={"rule": Text(text=template)})
    named = json.dumps({"uuid": "c1", "event_type": "ringing", "event_time": "2025-09-22T12:56:38Z", "name": "x"})

    made = calls.make(job(1), job(2, body=named.encode()))

    assert (made[1].unfilled, made[2].unfilled) == (True, False)
    assert made[2].receipt == {"said": "x"}


def test_everything_of_a_batch_is_noted_as_begun_before_anything_is_sent():
    stages = []
    calls = Calls(lambda plugin, deliveries: stages.append(calls.begun.stages()) or [None] * len(deliveries))

    calls.make(*map(job, range(3)))

    assert stages == [{(number, 1): Stage.UNDER_WAY for number in range(3)}]


def test_all_requests_of_a_batch_share_one_time_limit():
    go = threading.Event()

    def tell(plugin, deliveries):
        results = []
        for _ in deliveries:
            try:
                plugin.http.request("POST", here.url, json=1)
            except (TemporaryFailure, AnswerLost) as ex:
                results.append(ex)
        return results

    def judge(_):
        go.wait(20)
        return Reply()

    with Recorder(judge) as here:
        began = time.monotonic()
        calls = Calls(tell, timeout=0.5)
        made = calls.make(*map(job, range(6)))
        passed = time.monotonic() - began
        go.set()
        alone = calls.batches(job(9))

    # Two get their time, whoever comes later gets none.
    assert [one.kind for one in made.values()][:1] == ["unknown"]
    assert [one.kind for one in made.values()][3:] == ["temporary"] * 3
    assert made[5].reason == "the time for its batch was over before it could be sent; nothing was sent"
    assert passed < 0.5 * TIMES_LONGER * 2.5
    assert alone.kind == "delivered"


def test_a_refused_delivery_is_kept_with_what_was_said_of_it_and_not_of_the_others():
    def tell(plugin, deliveries):
        plugin.http.request("POST", here.url, json=1)
        bare, said = PermanentFailure("no"), PermanentFailure("no", status=207)
        said.body = b'{"message": "of two alone"}'
        return [None, said, bare]

    with Recorder(lambda _: Reply(207, b'{"everybody": "and everything"}')) as here:
        made = Calls(tell).make(*map(job, range(1, 4)))

    assert made[2].answer["body"] == '{"message": "of two alone"}'
    assert (made[1].answer, made[3].answer) == (None, None)


# In a lane ----------------------------------------------------------------------------------------------


class Slow:
    """A lane of one slot whose first attempt waits until it is let go."""

    def __init__(self, size: int = SIZE, limit: int = 1):
        self.go = threading.Event()
        self.outcomes: list[Outcome] = []

        def alone(delivery):
            self.go.wait(20)

        self.calls = Calls(lambda plugin, deliveries: [None] * len(deliveries), alone)
        self.lane = Lane("crm", limit, lambda: self.calls.batches, self.outcomes.append, batch=size)
        self.lane.put([job(0)])
        wait_for(lambda: self.calls.alone)

    def then(self, *jobs: Job) -> list[list[int]]:
        """Let *jobs* wait until the slot is free; return what went together."""
        self.lane.put(jobs)
        self.go.set()
        wait_for(lambda: len(self.outcomes) == len(jobs) + 1)
        return [[int(key.partition("-")[2]) for key in keys] for keys in self.calls.together]


@pytest.fixture
def slow():
    made = Slow()
    yield made
    made.go.set()


def test_what_waits_when_a_slot_is_free_goes_together_and_no_more_than_the_plugin_takes(slow):
    assert slow.then(*map(job, range(1, 20))) == [[*range(1, 9)], [*range(9, 17)], [17, 18, 19]]
    assert slow.calls.alone == ["key-0"]


def test_one_that_waits_goes_by_itself(slow):
    assert slow.then(job(1)) == []
    assert slow.calls.alone == ["key-0", "key-1"]


def test_two_deliveries_of_one_call_never_go_together(slow):
    same = job(3)._replace(call=job(1).call)

    assert slow.then(job(1), job(2), same, job(4)) == [[1, 2], [3, 4]]


def test_what_may_have_ended_a_process_goes_by_itself(slow):
    assert slow.then(job(1), job(2), job(3, alone=True), job(4), job(5)) == [[1, 2], [4, 5]]
    assert slow.calls.alone == ["key-0", "key-3"]


def test_first_attempts_and_further_ones_do_not_mix(slow):
    assert slow.then(job(1), job(2, attempt=2), job(3), job(4, attempt=2)) == [[1, 3], [2, 4]]


def test_an_unusable_destination_stops_its_lane_whoever_of_a_batch_found_it():
    reported = []
    results = [DestinationUnusable("paused"), None]
    calls = Calls(lambda plugin, deliveries: results)
    lane = Lane("crm", 1, lambda: calls.batches, reported.append, batch=2)
    lane.put([job(number) for number in range(1, 7)])

    wait_for(lambda: len(reported) == 6)

    assert [one.kind for one in reported] == ["unusable", "delivered"] + ["released"] * 4


def test_a_lane_whose_plugin_changes_takes_as_many_as_the_new_one(slow):
    singly = []
    slow.lane.change(1, lambda: lambda one: singly.append(one.delivery_id) or Outcome(one.delivery_id, 1, "delivered"))

    assert slow.then(*map(job, range(1, 5))) == []
    assert singly == [1, 2, 3, 4]


def test_a_real_sender_process_tells_what_waits_together(start):
    sender = start(several=1)

    sender.give(*(job(number, destination="several") for number in range(11)))
    outcomes = sender.outcomes(11)

    assert sorted(one.delivery_id for one in outcomes) == list(range(11))
    assert max(one.receipt["together"] for one in outcomes) == 5
