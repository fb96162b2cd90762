"""Writes the parts of the manual that say what the code says: ``python -m tests.generate_docs [--check]``.

A generated part stands between two comments that name it, so that prose can stand around it:

    <!-- generated: cli -->
    <!-- /generated: cli -->
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SCHEMA = ROOT / ".callrouter" / "schema.json"

_PART = re.compile(r"(<!-- generated: (?P<name>[\w. -]+) -->\n).*?(<!-- /generated: (?P=name) -->)", re.DOTALL)


def cli() -> str:
    """Every command's own ``--help``."""
    import click

    from router.cli import commands

    root = click.Context(commands, info_name="callrouter", **{**commands.context_settings, "terminal_width": 100})
    parts = [f"```text\n{commands.get_help(root)}\n```\n"]
    for name in commands.list_commands(root):
        command = commands.get_command(root, name)
        assert command is not None
        inside = click.Context(command, info_name=name, parent=root, terminal_width=100)
        parts.append(f"## callrouter {name}\n\n```text\n{command.get_help(inside)}\n```\n")
        for inner, below in getattr(command, "commands", {}).items():
            deeper = click.Context(below, info_name=inner, parent=inside, terminal_width=100)
            parts.append(f"### callrouter {name} {inner}\n\n```text\n{below.get_help(deeper)}\n```\n")
    return "\n".join(parts)


def metrics() -> str:
    """Every counter, histogram and gauge of the admin listener."""
    from router.metrics import Metrics, _ConfigGauges, _DiskGauges, _StoreGauges

    with tempfile.TemporaryDirectory() as folder:
        families = [
            (f"{made._name}_total" if made._type == "counter" else made._name, made._type, made._labelnames,
             made._documentation)
            for made in vars(Metrics(Path(folder))).values()
            if hasattr(made, "_documentation")
        ]  # fmt: skip
    families += [
        (gauge.name, gauge.type, gauge._labelnames, gauge.documentation)
        for gauges in (_StoreGauges(lambda: None), _ConfigGauges(list), _DiskGauges(lambda: None))
        for gauge in gauges.collect()
    ]
    rows = [(f"`{name}`", kind, code(labels), text) for name, kind, labels, text in families]
    return table(("metric", "type", "labels", "what it says"), rows)


def answers() -> str:
    """What the public listener really says to one request of each kind."""
    from falcon.testing import TestClient

    from router.errors import StoreError
    from router.samples import documented
    from router.web import make_ingest_app
    from tests.played import load

    class Counters:
        def accepted(self, source: str, seconds: float) -> None: ...
        def rejected(self, source: str, why: str) -> None: ...

    class Inbox:
        full = False

        async def append(self, entry: object) -> None:
            if self.full:
                raise StoreError("the disk is full")

        def close(self) -> None: ...

    config = "sources: {wavix: {auth: {token: a}}}\ndestinations: {console: {type: console}}\nalways: [console]"
    with tempfile.TemporaryDirectory() as folder:
        inbox = Inbox()
        used = load(config, Path(folder))
        client = TestClient(make_ingest_app(lambda: used, inbox, Counters(), list))
    wrong = documented().replace(b'"call_setup"', b'"call_stup"').replace(b"false", b'"no"')
    parts = []
    for status, path, token, body in (
        (200, "/webhooks/wavix", "a", documented()),
        (401, "/webhooks/wavix", "b", documented()),
        (404, "/webhooks/wavx", "a", documented()),
        (413, "/webhooks/wavix", "a", b" " * 300_000),
        (422, "/webhooks/wavix", "a", wrong),
        (503, "/webhooks/wavix", "a", documented()),
    ):
        inbox.full = status == 503
        answer = client.simulate_post(path, body=body, params={"token": token})
        assert answer.status_code == status, answer.text
        # The words for a status differ between versions of Python.
        shown = {name: value for name, value in answer.json.items() if name not in ("type", "title")}
        parts.append(f"{status}:\n\n```json\n{json.dumps(shown, indent=2)}\n```\n")
    return "\n".join(parts)


def schema() -> str:
    """What ``callrouter schema`` prints."""
    from router.config.schema import schema
    from router.registry import discover

    return json.dumps(schema(discover()), indent=1) + "\n"


def settings(type_: str) -> str:
    """The settings of one plugin, and below them each default that is longer than a line."""
    from router.registry import discover

    model = discover().plugins[type_].plugin.Settings
    long = [
        f"\nThe default of `{field.alias or name}`:\n\n```text\n{field.default.source}\n```\n"
        for name, field in model.model_fields.items()
        if is_long(field.default)
    ]
    return fields_table(model) + "".join(long)


def samples(type_: str) -> str:
    """What sample calls read like at one plugin's destination."""
    from tests.readings import page

    return page(type_)


def fields_table(model: Any) -> str:
    """One row per field of a pydantic *model*: key, what it means, default. A block's own keys follow it."""
    return table(("key", "what it means", "default"), list(rows_of(model)))


def rows_of(model: Any, block: str = "") -> Iterator[tuple[str, ...]]:
    """Yield the rows of *model*, whose keys stand in *block*."""
    for name, field in model.model_fields.items():
        key = f"{block}{field.alias or name}"
        example = f" For example `{field.examples[0]}`." if field.examples else ""
        default = "**needed**" if field.is_required() else shown(field.get_default(call_default_factory=True))
        yield f"`{key}`", f"{field.description}{example}", default
        for part in (field.annotation, *typing.get_args(field.annotation)):
            if hasattr(part, "model_fields"):
                yield from rows_of(part, f"{key}.")


def shown(value: Any) -> str:
    """Return a default for a person."""
    if value is None or value in ("", (), [], {}):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "below" if is_long(value) else f"`{getattr(value, 'source', value)}`".replace("\n", " ")


def is_long(default: Any) -> bool:
    """Return whether *default* is a template of several lines."""
    return "\n" in getattr(default, "source", "")


def code(words: Any) -> str:
    """Return *words* as code, side by side."""
    return " ".join(f"`{word}`" for word in words) or "–"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def generators() -> Mapping[str, Callable[[], str]]:
    """Every generated part by its name."""
    return {"answers": answers, "cli": cli, "metrics": metrics}


def generated(text: str) -> str:
    """Return *text* with every generated part written again; raises KeyError for a part nobody knows."""
    parts, families = generators(), {"settings": settings, "samples": samples}

    def written(match: re.Match[str]) -> str:
        name = match["name"]
        kind, _, of = name.partition(" ")
        made = families[kind](of) if of else parts[name]()
        return f"{match[1]}\n{made.strip()}\n\n{match[3]}"

    return _PART.sub(written, text)


def stale() -> Iterator[tuple[Path, str]]:
    """Yield every page that differs from what it should say, with that text."""
    from tests.drawings import DRAWN, drawing

    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (fresh := generated(text)) != text:
            yield page, fresh
    for type_ in DRAWN:
        picture, fresh = DOCS / "pictures" / f"{type_}.svg", drawing(type_)
        if not picture.exists() or fresh != picture.read_text(encoding="utf-8"):
            yield picture, fresh
    # Made in a test's time, never by hand: what the first line of config.yaml names.
    if (fresh := schema()) != SCHEMA.read_text(encoding="utf-8"):
        yield SCHEMA, fresh


def main(arguments: list[str]) -> int:
    """Write the stale pages, or with ``--check`` name them and return 1."""
    os.environ["COLUMNS"] = "100"
    pages = list(stale())
    for page, fresh in pages:
        name = page.relative_to(ROOT)
        if "--check" in arguments:
            print(f"{name} is stale; `make docs` writes it again", file=sys.stderr)
        else:
            page.write_text(fresh, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if pages and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
