"""One event, really sent to one destination: what is shown of it, and what never is."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from router import samples
from router.cli.trial import SAMPLES
from router.outgoing import secrets_in
from router.store.sqlite.store import SqliteStore
from tests.harness.crms import CRMS
from tests.harness.mail_server import MailServer
from tests.harness.recording import Recorder, Reply

TOP = """\
sources: {phone: {}, office: {}}
timezone: Europe/London
region: GB
plugins: {folders: [mine]}
destinations:
"""
REST = """
rules:
  - name: missed
    when: {missed: true}
    send: [crm]
  - name: ringing
    when: {event_type: ringing}
    send: [bell]
unmatched: drop
alerts: none
"""
HTTP = 'type: http, url: "{url}T0/s3cret-path?key=s3cret-query", headers: {{Authorization: "Bearer s3cret-header"}}'
BUGGY = """
from router.plugin import Plugin, Secret, Settings, setting

class Keys(Settings):
    token: Secret = setting("The token.")

class Buggy(Plugin[Keys]):
    type = "buggy"
    Settings = Keys

    def deliver(self, delivery):
        raise RuntimeError(f"with {self.settings.token.reveal()}")
"""


@pytest.fixture
def recorder():
    with Recorder() as server:
        yield server


@pytest.fixture
def written(folder):
    """Write a configuration whose destination crm is as given; bell prints."""

    def write(crm: str, more: str = "") -> None:
        (folder / "mine").mkdir(exist_ok=True)
        (folder / "mine" / "buggy.py").write_text(BUGGY)
        bell = '  bell: {type: console, text: "{{ event.event_type }} {{ event.from }}"}\n'
        (folder / "config.yaml").write_text(f"{TOP}  crm: {{{crm}}}\n{bell}{more}{REST}")

    return write


def http(recorder) -> str:
    return HTTP.format(url=recorder.url)


def test_the_request_its_answer_and_the_verdict_are_shown(run, written, recorder):
    recorder.judge(lambda _: Reply(202, b'{"queued": true}', {"X-Request-Id": "r-7", "Set-Cookie": "id=1"}))
    written(http(recorder))

    ran = run("try", "crm")

    assert ran.code == 0
    (request,) = recorder.requests
    assert request.json()["event_type"] == "call_ended"
    assert 'Sending call_ended of the sample call "missed" to crm (type http), for real.' in ran.err
    assert f"to {recorder.url[7:-1]} …" in ran.err
    for line in (
        'asked  by rule "missed"',
        f"1. POST {recorder.url}<secret>",
        "   Authorization      <secret>",
        '     "event_type": "call_ended",',
        "   answered 202 after ",
        "   x-request-id    r-7",
        '     "queued": true',
        "\ndelivered in ",
    ):
        assert line in ran.out, ran.out
    assert "id=1" not in ran.out


def test_no_secret_is_shown_whatever_the_destination_quotes(run, written, recorder):
    recorder.judge(lambda request: Reply(400, f"{request.path} {request.headers} is wrong".encode()))
    written(http(recorder))

    for ran in (run("try", "crm"), run("try", "crm", "--json")):
        assert ran.code == 3
        assert "s3cret" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("reply", "verdict", "todo"),
    [
        (Reply(401), "the destination would be paused", "callrouter resume crm"),
        (Reply(404), "refused; it would be a dead letter", "nothing at this address"),
        (Reply(422), "refused; it would be a dead letter", "compare the request above"),
        (Reply(429, b"", {"Retry-After": "90"}), "it would be tried again after about 1m", "rate:"),
        (Reply(503), "it would be tried again after about 5s", "at the other side"),
        (Reply(lost=True), "it would be tried again after about 5s", "callrouter doctor"),
    ],
)
def test_what_would_follow_is_said_with_what_to_do(run, written, recorder, *, reply, verdict, todo):
    recorder.judge(lambda _: reply)
    written(http(recorder))

    ran = run("try", "crm")

    assert ran.code == 3
    assert verdict in ran.out
    assert todo in ran.out.partition("What to do: ")[2]
    assert len(recorder.requests) == 1


def test_a_host_that_does_not_listen_is_named_with_the_request_that_was_made(run, written, recorder):
    recorder.close()
    written(http(recorder))

    ran = run("try", "crm")

    assert ran.code == 3
    assert "no answer: cannot connect to 127.0.0.1" in ran.out


@pytest.mark.parametrize("name", CRMS)
def test_every_request_of_a_crm_is_shown_in_its_order_without_the_tokens_it_was_given(run, written, name):
    with closing(CRMS[name][1]()) as vendor:
        contact = vendor.contact("+447700900123")
        keys = ", ".join(f'{key}: "{value}"' for key, value in vendor.settings.items())
        written(f"type: {name}, {keys}")

        ran = run("try", "crm")

        assert ran.code == 0, ran.out + ran.err
        assert len(vendor.records) == 1
        assert "1. " in ran.out
        assert "2. " in ran.out
        assert "receipt, for the next event of a call: " in ran.out
        assert contact in ran.out
        settings = CRMS[name][0].Settings.model_validate(vendor.settings)
        assert not any(secret in ran.out for secret in secrets_in(settings))
        assert "access_token" not in ran.out or '"access_token": "<secret>"' in ran.out


def test_a_mail_is_shown_with_its_envelope_and_text(run, written):
    with MailServer() as server:
        written(
            f"type: email, server: 127.0.0.1, port: {server.port}, tls: none, sender: calls@example.com, "
            "to: [sales@example.com]"
        )

        ran = run("try", "crm")

        assert ran.code == 0, ran.out
        assert len(server.mailbox) == 1
    assert f"1. mail by 127.0.0.1:{server.port} (tls: none)" in ran.out
    assert "calls@example.com → sales@example.com" in ran.out
    assert "Missed call from +44 7700 900123" in ran.out
    assert "taken for everybody" in ran.out


def test_a_mail_server_that_does_not_take_it_is_quoted(run, written):
    with MailServer(replies={"RCPT sales@example.com": "550 no such user"}) as server:
        written(
            f"type: email, server: 127.0.0.1, port: {server.port}, tls: none, sender: calls@example.com, "
            "to: [sales@example.com]"
        )

        ran = run("try", "crm")

    assert ran.code == 3
    assert "   not taken: 127.0.0.1 refused the recipient sales@example.com: 550 no such user" in ran.out
    assert "the destination would be paused" in ran.out


def test_what_a_plugin_prints_is_shown_and_keeps_json_whole(run, written, recorder):
    written(http(recorder))

    ran = run("try", "bell")
    (document,) = run("try", "bell", "--json").json

    assert ran.code == 0
    assert "It printed:\n   ringing +447700900123\n" in ran.out
    assert document["printed"] == "ringing +447700900123\n"
    assert document["event"]["type"] == "ringing"


def test_a_plugin_that_reaches_its_destination_by_itself_is_shown_with_its_settings(run, written, folder):
    written("type: file, path: kept/calls.jsonl")

    ran = run("try", "crm")

    assert ran.code == 0
    assert "No HTTP request was made and no mail sent" in ran.out
    assert "kept/calls.jsonl" in ran.out
    assert json.loads((folder / "kept" / "calls.jsonl").read_text())["event"]["event_type"] == "call_ended"


def test_what_the_rules_do_not_send_there_is_tried_and_said(run, written, recorder):
    written(http(recorder))

    ran = run("try", "crm", "--sample", "answered")

    assert ran.code == 0
    assert "asked  by nobody: your rules send no event of this call there" in ran.out
    assert recorder.requests[0].json()["event_payload"]["outcome"] == "answered"


def test_of_several_events_that_are_sent_there_the_last_is_tried(run, written, folder, recorder):
    written(http(recorder))
    config = folder / "config.yaml"
    config.write_text(
        config.read_text().replace("unmatched:", "always: [crm]\nunmatched:").replace("missed: true", "tag: x")
    )

    ran = run("try", "crm")

    assert recorder.requests[0].json()["event_type"] == "completed"
    assert "asked  by always:" in ran.out


def test_a_rules_own_text_is_what_is_tried(run, written, folder, recorder):
    written(http(recorder), "  loud: {type: console}\n")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("[bell]", '[bell, {to: loud, text: "RING {{ event.from }}"}]'))

    assert "   RING +447700900999\n" in run("try", "loud", "--from", "+447700900999").out


def test_an_event_of_ones_own_is_tried_as_it_is(run, written, folder, recorder):
    written(http(recorder))
    (folder / "event.json").write_bytes(samples.documented())

    ran = run("try", "crm", "--event", "event.json")

    assert ran.code == 0
    assert recorder.requests[0].body == samples.documented()
    assert "by nobody" in ran.out


def test_events_of_ones_own_are_taken_for_a_call_and_its_end_is_tried_where_a_rule_wants_it(
    run, written, folder, recorder
):
    written(http(recorder))
    lines = [json.dumps(timed.event) for timed in samples.play("missed", started_at=1.7e9)]
    (folder / "call.jsonl").write_text("\n".join(lines))

    ran = run("try", "crm", "--event", "call.jsonl")

    assert ran.code == 0
    assert recorder.requests[0].json()["event_type"] == "call_ended"
    assert 'by rule "missed"' in ran.out


def test_an_event_that_no_source_could_send_is_refused_and_nothing_is_sent(run, written, folder, recorder):
    written(http(recorder))
    (folder / "event.json").write_text("{}")

    ran = run("try", "crm", "--event", "event.json")

    assert (ran.code, ran.out, recorder.requests) == (3, "", [])
    assert "uuid: is missing" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cmr"], 'No destination is called "cmr"; did you mean "crm"?'),
        (["pigeon"], "there are: bell, crm."),
        (["crm", "--source", "nobody"], "there are: phone, office."),
        (["crm", "--event", "config.yaml", "--from", "1"], "are about a sample"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_what_there_is(run, written, recorder, arguments, said):
    written(http(recorder))

    ran = run("try", *arguments)

    assert (ran.code, ran.out, recorder.requests) == (2, "", [])
    assert said in ran.err


def test_the_secrets_of_other_destinations_are_not_needed_and_its_own_are(run, written, recorder):
    written(http(recorder), '  other: {type: http, url: "${OTHER_URL}"}\n')

    assert run("try", "crm").code == 0
    ran = run("try", "other")

    assert ran.code == 2
    assert "OTHER_URL is not set" in ran.err


def test_a_destination_that_is_switched_off_can_be_tried(run, written, recorder):
    written(http(recorder) + ", enabled: false")

    ran = run("try", "crm")

    assert ran.code == 0
    assert "crm is switched off" in ran.err


def test_a_daemon_that_runs_is_not_disturbed_and_nothing_is_recorded(run, written, folder, recorder):
    written(http(recorder), '  held: {type: http, url: "http://127.0.0.1:9/"}\n')

    # The lock of the daemon's worker.
    with closing(SqliteStore.open(folder / "data")):
        before = {path.name for path in (folder / "data").iterdir()}

        assert run("try", "crm").code == 0
        assert {path.name for path in (folder / "data").iterdir()} == before
    assert run("deliveries", "--json").out == ""
    assert run("calls", "--json").out == ""


def test_a_bug_in_a_plugin_is_shown_with_its_place_and_without_the_secret(run, written, recorder):
    written('type: buggy, token: "s3cret-token"')

    ran = run("try", "crm")

    assert ran.code == 3
    assert "a bug in the plugin" in ran.out
    assert "buggy.py" in ran.err
    assert "s3cret-token" not in ran.out + ran.err


def test_scripts_get_one_document(run, written, recorder):
    recorder.judge(lambda _: Reply(503, b"later", {"Retry-After": "30"}))
    written(http(recorder))

    ran = run("try", "crm", "--json")

    assert ran.code == 3
    (document,) = ran.json
    assert (document["verdict"], document["status"], document["rule"]) == ("again", 503, "missed")
    assert document["again_after"] >= 30
    (sent,) = document["sent"]
    assert (sent["method"], sent["answer"]["status"], sent["answer"]["body"]) == ("POST", 503, "later")


def test_the_samples_are_those_there_are():
    assert list(SAMPLES) == samples.names()
