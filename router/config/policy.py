"""What a destination says of how, when and how long it is tried: retry, breaker, answers and open."""

from __future__ import annotations

import re
from collections.abc import Collection

from router.config import scalars
from router.config.fields import Fields, read_scalar
from router.config.problems import Problems, guess
from router.retry import BreakerPolicy, RetryPolicy

RETRY = ("first", "factor", "max", "give_up_after", "attempts")
BREAKER = ("failures", "within", "pause", "max")
#: What ``answers:`` can make of a status.
MEANINGS = ("done", "again", "dead", "pause")

_CLASS = re.compile("[1-5]xx")
_STATUS = re.compile("[1-5][0-9][0-9]")


class PolicyReader:
    """Reads them from the keys of one destination. *hours* are the names of all hours; ``where`` is for messages."""

    def __init__(self, fields: Fields, hours: Collection[str], problems: Problems, *, where: str) -> None:
        self._fields = fields
        self._hours = hours
        self._problems = problems
        self._where = where

    def retry(self) -> RetryPolicy:
        """Return the ``retry:`` block, or what is usual."""
        block = self._fields.block("retry", RETRY)
        usual = RetryPolicy()
        if block is None:
            return usual
        inner = Fields(block, self._problems, where=f"retry of {self._where}", known=RETRY)
        policy = RetryPolicy(
            first=inner.read("first", scalars.duration, usual.first),
            factor=inner.read("factor", scalars.factor, usual.factor),
            max=inner.read("max", scalars.duration, usual.max),
            give_up_after=inner.read("give_up_after", scalars.duration, usual.give_up_after),
            attempts=inner.read("attempts", scalars.whole(1, 1000)),
        )
        if policy.first > policy.max:
            self._problems.error(
                block.key("first" if "first" in block else "max"),
                f"retry of {self._where}: the first wait is longer than the longest",
                "make max at least as long as first",
            )
        return policy

    def breaker(self) -> BreakerPolicy | None:
        """Return the ``breaker:`` block, or what is usual; None for ``breaker: none``."""
        usual = BreakerPolicy()
        value = self._fields.value("breaker")
        if isinstance(value, str):
            read_scalar("breaker", value, _no_breaker, self._problems, None)
            return None
        block = self._fields.block("breaker", BREAKER)
        if block is None:
            return usual
        inner = Fields(block, self._problems, where=f"breaker of {self._where}", known=BREAKER)
        policy = BreakerPolicy(
            failures=inner.read("failures", scalars.whole(2, 1000), usual.failures),
            within=inner.read("within", scalars.duration, usual.within),
            pause=inner.read("pause", scalars.duration, usual.pause),
            max=inner.read("max", scalars.duration, usual.max),
        )
        if policy.pause > policy.max:
            self._problems.error(
                block.key("pause" if "pause" in block else "max"),
                f"breaker of {self._where}: the first pause is longer than the longest",
                "make max at least as long as pause",
            )
        return policy

    def answers(self) -> dict[int, str]:
        """Return status → what it means; a class like ``5xx`` is spelled out, and a status of its own comes first."""
        block = self._fields.block("answers")
        classes: dict[int, str] = {}
        statuses: dict[int, str] = {}
        for name, value in (block or {}).items():
            meaning = read_scalar(f"answers: {name}", value, scalars.choice(*MEANINGS), self._problems, "")
            first = int(name[0]) * 100 if name[:1].isdigit() else 0
            if not (_CLASS.fullmatch(name) or _STATUS.fullmatch(name)):
                text = f'"{name}" in answers of {self._where} is no status'
                self._problems.error(name, text, "write one, such as 409, or all of a kind: 4xx, 5xx")
            elif first < 200:
                text = f"answers of {self._where}: {name} is no answer to anything"
                self._problems.error(name, text, "allowed are 200 to 599, 2xx, 3xx, 4xx and 5xx")
            elif name.endswith("xx"):
                classes |= dict.fromkeys(range(first, first + 100), meaning)
            else:
                statuses[int(name)] = meaning
        meanings = classes | statuses
        if "done" not in {*meanings.values(), *(meanings.get(status, "done") for status in range(200, 300))}:
            text = f"answers of {self._where}: no 2xx is done, so nothing could ever be delivered"
            self._problems.error(next(iter(block or {})), text, "write which one is, such as 200: done")
        return meanings

    def open(self) -> str | None:
        """Return the name of the hours within which it is told; None: at any hour."""
        return self._fields.read("open", self._known_hours)

    def _known_hours(self, value: str) -> str:
        if value not in self._hours:
            raise ValueError(f'there are no hours "{value}"; {guess(value, self._hours)}')
        return value


def _no_breaker(value: str) -> None:
    if value != "none":
        raise ValueError(f'"{value}" is not possible; write none, or a block of keys: {{failures: 20, pause: 10s}}')
