"""The kit for authors of plugins: each thing that a plugin may not do is noticed, and named."""

from __future__ import annotations

import logging
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from router.plugin import Plugin, Receipt, Secret, Settings, Template, TemporaryFailure, Trial, setting
from router.registry import discover
from router.testing import check_plugin
from router.testing.checking import examine
from router.testing.made_up import made_up

BUNDLED = discover().plugins
TOKEN = {"token": "s3cret-token"}


class Keys(Settings):
    token: Secret = setting("The token.")


class Texts(Settings):
    texts: dict[str, Template] = setting("Texts by their names.", default={"first": Template("{{ event.uuid }}")})


class Model(Plugin[Any]):
    """A plugin that keeps the contract."""

    type = "model"
    Settings = Keys
    uses_receipts = True
    order = "call"

    def deliver(self, delivery):
        headers = {"Authorization": Secret(f"Bearer {self.settings.token.reveal()}")}
        self.http.request("POST", "https://crm.example/", headers=headers, json={"tag": delivery.event["tag"]})
        return {"id": "1"}


def breach(deliver=Model.deliver, **parts: Any) -> type[Plugin[Any]]:
    return type("Breach", (Model,), {"__doc__": "It breaks it.", "deliver": deliver, **parts})


def post(plugin, *, url="https://crm.example/", **request):
    plugin.http.request("POST", url, **request)


def _hang(self, delivery):
    threading.Event().wait(60)


def _log(self, delivery):
    logging.getLogger("somebody.quiet").debug("asking with %s", self.settings.token.reveal())


def _keep(self, delivery) -> Receipt:
    return {"with": self.settings.token.reveal()}


def _bare_header(self, delivery):
    post(self, headers={"Authorization": f"Bearer {self.settings.token.reveal()}"}, json=1)


def _bare_address(self, delivery):
    post(self, url=f"https://crm.example/?key={self.settings.token.reveal()}", json=1)


def _cause(self, delivery):
    try:
        Path(f"/nowhere/{self.settings.token.reveal()}").read_text()
    except OSError as ex:
        raise TemporaryFailure("it is gone") from ex


def _by_hand(self, delivery):
    body = f'{{"tag": "{delivery.event["tag"]}"}}'.encode("utf-8", "replace")
    post(self, headers={"Content-Type": "application/json"}, body=body)


def _address(self, delivery):
    post(self, url=f"https://crm.example/{delivery.event['tag']}", json=1)


def _host(self, delivery):
    post(self, url=f"https://{(delivery.event['tag'] or 'crm.example')[:2].strip() or 'x'}/", json=1)


def _again(self, delivery):
    try:
        post(self, json=1)
    except TemporaryFailure:
        post(self, json=1)


def _trusting(self, delivery) -> Receipt:
    answer = self.http.request("POST", "https://crm.example/", json=1)
    return {"length": len(answer.body.decode())}


def _old(self, delivery) -> Receipt:
    post(self, json=1)
    return {"n": (delivery.receipt or {"n": 0})["n"] + 1}


def _remember(self, delivery):
    if getattr(self, "seen", None) == delivery.key:
        raise ValueError("twice")
    self.seen = delivery.key


def _texts(self, delivery):
    for text in self.settings.texts.values():
        post(self, json=text.render(delivery.names))


def test_a_plugin_that_keeps_the_contract_passes():
    assert check_plugin(Model, TOKEN) == []


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        (breach(_hang), "a call_ended event did not end within 0.2s"),
        (breach(_log), "it brought a secret to light: a call_ended event, in a failure, a log or the output"),
        (breach(_keep), "it brought a secret to light: a call_ended event, in its receipt"),
        (breach(_cause), "it brought a secret to light: a call_ended event, in a failure"),
        (breach(__repr__=lambda self: self.settings.token.reveal()), "it brought a secret to light: its repr"),
        (breach(_bare_header), "the header Authorization has a secret in it as plain text"),
        (breach(_bare_address), "the address of a request has a secret in it as plain text"),
        (breach(_by_hand), "put a field of its own into a JSON body"),
        (breach(_by_hand), "makes a body that is no JSON"),
        (breach(_address), "stands in an address as it is"),
        (breach(_host), "chose whom a request goes to"),
        (breach(_again), "it tries again by itself"),
        (breach(_trusting), r"the answer b'\xff\xfe{' ended in a bug: UnicodeDecodeError"),
        (breach(_old), "a receipt of an older version ended in a bug: KeyError: 'n'"),
        (breach(_remember), "attempt 2 at one delivery ended in a bug: ValueError: twice"),
        (breach(_texts, Settings=Texts), "a template of texts.first that cannot be worked out was not delivered"),
        (breach(__doc__="", __module__="nowhere"), "it has no docstring"),
        (breach(deliver=Plugin.deliver), "it has no `deliver`"),
    ],
)
def test_each_breach_of_the_contract_is_named(plugin, complaint):
    problems = check_plugin(plugin, {} if plugin.Settings is Texts else TOKEN, time_limit=0.2)

    assert any(complaint in problem for problem in problems), problems


class Odd:
    pass


class Undescribed(Settings):
    odd: Odd = setting("A type that no schema has.", default=Odd())


class Open(Settings):
    api_key: str = setting("The key.", default="")
    max_tokens_used: int = setting("A number.", default=1)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (Undescribed, "the JSON Schema of its settings cannot be made"),
        (Open, "the setting api_key is a secret by its name"),
    ],
)
def test_each_fault_of_the_settings_is_named(settings, complaint):
    [problem] = check_plugin(breach(lambda self, delivery: None, Settings=settings), {})

    assert complaint in problem


def test_the_page_of_a_plugin_must_name_every_setting(tmp_path):
    page = tmp_path / "model.md"
    page.write_text("# model\n\nIts token is a secret.\n")

    assert check_plugin(Model, TOKEN, page=page) == ["its page model.md does not name the setting `token`"]
    page.write_text("| `token` | The token. |\n")
    assert check_plugin(Model, TOKEN, page=page) == []
    assert "cannot be read" in check_plugin(Model, TOKEN, page=tmp_path / "gone.md")[0]


def test_what_hangs_is_left_behind_and_the_rest_is_not_tried():
    findings = examine(breach(_hang), TOKEN, time_limit=0.1)

    assert [finding.name for finding in findings] == ["declared", "settings", "documented", "secrets", "time"]
    assert findings[-1].problems == ("a call_ended event did not end within 0.1s",)


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_plugin_passes_with_made_up_settings_and_answers(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert check_plugin(BUNDLED[name].plugin) == []


def test_a_plugin_that_reaches_its_destination_by_itself_is_not_blamed_for_finding_nobody():
    def deliver(self, delivery):
        raise TemporaryFailure("nobody is there")

    findings = {finding.name: finding for finding in examine(breach(deliver), TOKEN)}

    assert not any(finding.problems for finding in findings.values())
    assert findings["events"].unchecked == "it reaches its destination by itself, and did not find it"
    assert findings["secrets"].unchecked is None


class Everything(Settings):
    token: Secret = setting("The token.", example="${TOKEN}")
    lines: list[str] = setting("Numbers.", example='["+441", "${LINE}"]')
    how: int = setting("How often.")
    share: Decimal = setting("A part.", example="0.5")
    note: str | None = setting("A note.", default=None)
    word: Template = setting("A text.")


def test_settings_are_made_up_of_the_trial_the_examples_and_the_types():
    plugin = breach(Settings=Everything, trial=Trial({"how": 3}))

    made = made_up(plugin, {"share": "0.25"})

    assert made["token"].startswith("s3cret-")
    assert made["lines"][0] == "+441"
    assert (made["how"], made["share"], "note" in made) == (3, "0.25", False)
    assert plugin.Settings.model_validate(made).lines[1].startswith("s3cret-")
