"""Every bundled plugin keeps the contract that strangers' plugins are held to."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.plugin import Answer, MailServer, Plugin, Receipt, Secret, Settings, Template, setting
from router.registry import discover
from router.testing import RecordingHttp, check_plugin, make_delivery
from tests.harness.crms import CRMS
from tests.harness.recording import Recorder

BUNDLED = discover().plugins

#: Settings with every secret set, as an operator writes them.
SETTINGS: dict[str, dict[str, Any]] = {
    "apprise": {"url": "json://me:s3cret-password@HERE/s3cret-path"},
    "console": {},
    "discord": {"url": "https://discord.com/api/webhooks/1100000000000000001/s3cret-Token_x"},
    "email": {
        "server": "smtp.example.com",
        "user": "calls",
        "password": "s3cret-password",
        "sender": "calls@example.com",
        "to": ["sales@example.com", "owner@example.com"],
    },
    "file": {"path": "archive.jsonl"},
    "http": {
        "url": "https://me:s3cret-user@crm.example/s3cret-path?key=s3cret-query",
        "headers": {"Authorization": "Bearer s3cret-header", "X-Plain": "1"},
        "body": '{"tag": "{{ event.tag }}", "ring": {{ facts.ring_seconds | tojson }}}',
        "secret": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    },
    "hubspot": {"token": "pat-eu1-s3cret"},
    "pagerduty": {"key": "s3cretabcdef0123456789abcdef0123"},
    "pipedrive": {"url": "https://mycompany.pipedrive.com", "token": "s3cret-token"},
    "salesforce": {
        "url": "https://mycompany.my.salesforce.com",
        "client_id": "3MVG9-consumer",
        "client_secret": "s3cret-consumer",
    },
    "slack": {"url": "https://hooks.slack.com/services/T0000/B0000/s3cret"},
    "teams": {"url": "https://prod-01.logic.azure.com/workflows/1/triggers/manual/paths/invoke?sig=s3cret-sig"},
    "telegram": {"token": "123456789:AAE_s3cret-Token", "chat": "-1001234567890"},
    "zoho": {
        "client_id": "1000.CLIENT",
        "client_secret": "s3cret-client",
        "refresh_token": "1000.s3cret-refresh",
    },
}

#: What a destination says where an empty 200 would be no answer of its.
ANSWERS = {
    "discord": Answer(200, {}, b'{"id": "1200000000000000001"}'),
    "telegram": Answer(200, {}, b'{"ok": true, "result": {"message_id": 7}}'),
}


def answers(name: str) -> list[Any]:
    """What the destination says: a CRM has to be one."""
    if name in CRMS:
        return [CRMS[name][1]().answers()]
    return [ANSWERS.get(name, Answer(200, {}, b""))]


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_plugin_keeps_the_contract(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Apprise is told of nothing but an address, and connects by itself.
    with Recorder() as here:
        settings = {key: _at(value, here) for key, value in SETTINGS[name].items()}

        assert check_plugin(BUNDLED[name].plugin, settings, *answers(name)) == []


def _at(value, here):
    address = here.url.removeprefix("http://").rstrip("/")
    return value.replace("HERE", address) if isinstance(value, str) else value


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_plugin_has_its_page_with_every_setting(name):
    page = (Path(__file__).parents[2] / "docs" / "plugins" / f"{name}.md").read_text()

    for field in BUNDLED[name].plugin.Settings.model_fields:
        assert f"| `{field}` |" in page


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_the_page_of_a_bundled_plugin_says_how_to_try_each_of_its_destinations(name):
    page = (Path(__file__).parents[2] / "docs" / "plugins" / f"{name}.md").read_text()
    configured = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])["destinations"]

    assert [one for one in configured if f"`callrouter try {one}" not in page] == []


class Model(Plugin[Settings]):
    type = "model"
    Settings = Settings

    def deliver(self, delivery):
        self.http.request("POST", "https://crm.example", json={"tag": delivery.event["tag"]})


class Keys(Settings):
    token: Secret = setting("The token.")
    bare: str = "x"


def breach(**parts: Any) -> type[Plugin[Any]]:
    return type("Breach", (Model,), parts)


class Documented(Settings):
    token: Secret = setting("The token.")


def test_a_plugin_that_keeps_the_contract_passes():
    assert check_plugin(Model, {}) == []


def _swallow(self, delivery):
    try:
        Model.deliver(self, delivery)
    except Exception:  # noqa: BLE001 - a plugin may fail in any way
        return


def _tell(self, delivery):
    try:
        Model.deliver(self, delivery)
    except Exception as ex:
        raise type(ex)(f"with {self.settings.token.reveal()}") from ex


def _print(self, delivery):
    print(self.settings.token.reveal())


def _render(self, delivery):
    self.settings.text.render(delivery.names)


class Worded(Settings):
    text: Template = setting("The text.", default=Template("{{ event.uuid }}"))


def _header(self, delivery):
    self.http.request("POST", "https://crm.example", headers={"X-Tag": delivery.event["tag"] or ""}, body=b"")


def _mail(self, delivery):
    message = f"Subject: {delivery.event['tag']}\r\n\r\nx".encode()
    self.mail.send(MailServer("mail.example", 25, "none"), "a@example.com", ["b@example.com"], message)


def _swallow_mail(self, delivery):
    with contextlib.suppress(Exception):
        self.mail.send(MailServer("mail.example", 25, "none"), "a@example.com", ["b@example.com"], b"Subject: x\r\n")


def _index(self, delivery):
    return {"tag": delivery.event["no such field"]}


def _receipt(self, delivery) -> Receipt:
    return {"at": {1, 2}}


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        (breach(type=""), "it has no `type`"),
        (breach(Settings=dict), "its `Settings` is not a class"),
        (breach(Settings=Keys), "the setting bare has no help"),
        (breach(uses_receipts=True), 'its `order` must be "call"'),
        (breach(deliver=_swallow), "was swallowed"),
        (breach(deliver=_tell, Settings=Documented), "brought a secret to light"),
        (breach(deliver=_print, Settings=Documented), "brought a secret to light"),
        (breach(deliver=_render, Settings=Worded), "a template of text that cannot be filled in was not delivered"),
        (breach(deliver=_header), "put a line end into a header"),
        (breach(deliver=_mail, uses_mail=True), "put a line end into a header"),
        (breach(deliver=_swallow_mail, uses_mail=True), "of its mail was swallowed"),
        (breach(deliver=_mail), "ended in a bug: TypeError: only a plugin that says uses_mail"),
        (breach(deliver=_index), "ended in a bug: KeyError"),
        (breach(deliver=_receipt), "returned a receipt that is neither"),
    ],
)
def test_each_breach_of_the_contract_is_named(plugin, complaint):
    problems = check_plugin(plugin, {"token": "s3cret"} if plugin.Settings is Documented else {})

    assert any(complaint in problem for problem in problems), problems


def test_settings_that_are_refused_are_named_without_their_values():
    problems = check_plugin(breach(Settings=Documented), {"token": "s3cret", "tokne": "s3cret"})

    assert problems == ["the settings given are refused: tokne: Extra inputs are not permitted"]


def test_recorded_requests_read_as_they_would_leave():
    http = RecordingHttp(Answer(201, {}, b"1"), ValueError("last"))

    assert http.request("PUT", Secret("https://a"), headers={"X-Key": Secret("k")}, json={"a": 1}).status == 201
    with pytest.raises(ValueError, match="last"):
        http.request("PUT", "https://a")
    [first, _] = http.requests
    assert (first.method, first.url, first.headers["x-key"], first.json) == ("PUT", "https://a", "k", {"a": 1})


def test_an_answer_may_depend_on_the_request():
    http = RecordingHttp(Answer(204, {}, b""), lambda request: Answer(200, {}, request.url.encode()))

    assert [http.request("GET", f"https://{host}").body for host in "abc"] == [b"", b"https://b", b"https://c"]


def test_a_made_delivery_is_a_missed_call_unless_told_otherwise():
    assert make_delivery().facts["missed"] is True
    assert "missed" not in make_delivery("ringing").facts
    assert make_delivery(event={"tag": "x"}, attempt=3).event["tag"] == "x"
    assert make_delivery(attempt=3).attempt == 3
