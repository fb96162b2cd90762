"""Checks a plugin against everything the contract says, without sending anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from router.plugin import Answer, Plugin
from router.testing import declared
from router.testing.attempting import Attempting, Hung
from router.testing.batches import check_batches
from router.testing.made_up import made_up
from router.testing.promises import Promises
from router.testing.recording import Request

#: Seconds for one attempt. Nothing is waited for in a check, so this is for a plugin that hangs.
TIME_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that every plugin must keep, and whether this one does."""

    #: A word for scripts.
    name: str
    #: What holds where there are no problems.
    promise: str
    #: Sentences; none where it holds.
    problems: tuple[str, ...]
    #: What the plugin's author does about them.
    todo: str
    #: Why it was not checked; None: it was.
    unchecked: str | None = None


#: What is checked: a word, what holds, and what to do where it does not.
_CHECKS: dict[str, tuple[str, str]] = {
    "declared": (
        "it says what it is: type, settings, order",
        "Say it in the class, as the page about writing a plugin shows.",
    ),
    "settings": (
        "every setting has its help, and editors can complete it",
        "Declare each setting with setting(…) and a type that pydantic can describe.",
    ),
    "documented": (
        "it is documented",
        "Begin the file with a docstring, and name every setting on its page.",
    ),
    "events": (
        "every kind of event is delivered, and an alert, and one without numbers",
        "Where its destination answers more than nothing, say what: trial = Trial(says={…}). Any field may be null.",
    ),
    "hostile": (
        "text of strangers stays text: mentions, markup, line ends, 20,000 characters, emoji, right-to-left",
        "Escape it for where it lands: in delivery.render, with json= or with delivery.address.",
    ),
    "failures": (
        "what its destination refuses is passed on, and tried again by callrouter alone",
        "Let the failures of self.http and self.mail pass, or raise a better one.",
    ),
    "nonsense": (
        "an answer that makes no sense is no bug",
        "Look at the answer before you use it, and raise TemporaryFailure or AnswerLost.",
    ),
    "twice": (
        "the same delivery may come twice",
        "Keep nothing from one delivery to the next; what must be remembered is the receipt.",
    ),
    "receipts": (
        "its receipt comes back as it was, and an older one is no bug",
        'Return a dict of JSON values, and read it with delivery.receipt.get("…").',
    ),
    "templates": (
        "a template that cannot be filled in loses nothing",
        "Use delivery.render, which says it in plain words then.",
    ),
    "batches": (
        "several deliveries at once end each for itself",
        "Return one result for each, in their order: a receipt, None, or the failure it ended in.",
    ),
    "secrets": (
        "no secret comes to light: in failures, logs, output, repr and receipts",
        "Declare it as Secret, hand it to self.http as a Secret, and quote it nowhere.",
    ),
    "time": (
        "every attempt ends at once: it neither waits nor hangs",
        "Never sleep; open no connection of your own.",
    ),
}


def check_plugin(
    plugin: type[Plugin[Any]],
    settings: Mapping[str, Any] | None = None,
    *answers: Answer | Callable[[Request], Answer],
    page: Path | None = None,
    time_limit: float = TIME_LIMIT,
) -> list[str]:
    """Return what *plugin* does against the contract, as sentences; nothing when it keeps it.

    *settings* are written as in config.yaml, with every secret set; without them, those of its trial are completed with
    the examples of its settings. *answers* are what its destination would say, as ``RecordingHttp`` takes them; without
    them, what its trial says. *page* is its manual page, which must name every setting. Nothing is sent.
    """
    given = made_up(plugin, {}) if settings is None else settings
    findings = examine(plugin, given, answers, page=page, time_limit=time_limit)
    return [problem for finding in findings for problem in finding.problems]


def examine(
    plugin: type[Plugin[Any]],
    settings: Mapping[str, Any],
    answers: Iterable[Answer | Callable[[Request], Answer]] = (),
    *,
    page: Path | None = None,
    time_limit: float = TIME_LIMIT,
) -> list[Finding]:
    """Return everything that was checked, as ``check_plugin`` does it; nothing beyond what stops all else."""
    if problems := tuple(declared.declares(plugin)):
        return [_finding("declared", problems)]
    found = [_finding("declared", ()), _finding("settings", declared.settings_described(plugin))]
    found.append(_finding("documented", declared.documented(plugin, page)))
    try:
        made = plugin.Settings.model_validate(dict(settings))
    except ValidationError as ex:
        refused = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in ex.errors()]
        return [*found, _finding("events", [f"the settings given are refused: {text}" for text in refused])]
    given = tuple(answers)
    attempting = Attempting(plugin, made, given or (_said(plugin),), time_limit)
    # What a destination says of each of several, nobody can make up.
    found += _promised(attempting, known=bool(given) or plugin.trial.says is None)
    leaks = [*declared.secrets_declared(plugin), *attempting.leaks]
    return [*found, _finding("secrets", leaks), _finding("time", attempting.slow)]


def _promised(attempting: Attempting, *, known: bool) -> list[Finding]:
    found: list[Finding] = []
    try:
        promises = Promises(attempting)
        why = "it reaches its destination by itself, and did not find it" if promises.reaches_itself else None
        for name, problems in {
            "events": promises.deliveries,
            "hostile": promises.hostile_text,
            "failures": promises.failures,
            "nonsense": promises.nonsense,
            "twice": promises.one_delivery_twice,
            "receipts": promises.receipts,
            "templates": promises.templates,
        }.items():
            found.append(_finding(name, problems(), why))
        found.append(_finding("batches", check_batches(attempting, known=known)))
    except Hung:
        # Its thread still has the output and the log; what else it does cannot be told from what it did.
        pass
    return found


def _finding(name: str, problems: Iterable[str], unchecked: str | None = None) -> Finding:
    promise, todo = _CHECKS[name]
    wrong = tuple(dict.fromkeys(problems))
    return Finding(name, promise, wrong, todo, None if wrong else unchecked)


def _said(plugin: type[Plugin[Any]]) -> Answer:
    says = plugin.trial.says
    return Answer(200, {}, b"" if says is None else json.dumps(says).encode())
