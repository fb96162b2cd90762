"""List the plugins there are, and the settings of one."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.plugin import Plugin, Settings
    from router.registry import Found, Registry


@click.command("plugins", epilog=options.exits(no="a plugin is broken, or none is called NAME", store=False))
@click.argument("name", required=False)
@click.option(
    "--folder",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    metavar="FOLDER",
    help="Look here, too, as plugins: {folders: [FOLDER]} in the configuration does. May be given several times.",
)
@options.json_option("one JSON document")
def command(name: str | None, folders: tuple[Path, ...], as_json: bool) -> int:
    """List the plugins that a destination's "type:" can name; with NAME, the settings of that one.

    Plugins are found in callrouter itself, in installed packages (entry point group callrouter.plugins), and in
    folders. One that could not be loaded is listed with the reason.
    """
    from router.registry import discover

    registry = discover(folders)
    if name is not None and name not in registry.plugins:
        screen.talk(f'callrouter: no plugin is called "{name}"; there are: {", ".join(sorted(registry.plugins))}.')
        return 3
    chosen = {name: registry.plugins[name]} if name is not None else registry.plugins
    if as_json:
        screen.emit(
            {
                "plugins": [_document(found) for _, found in sorted(chosen.items())],
                "broken": dict(registry.broken),
            }
        )
    elif name is not None:
        _show(chosen[name])
        return 0
    else:
        _list(registry)
    return 3 if registry.broken else 0


def _list(registry: Registry) -> None:
    columns = [Column("type"), Column("what it does", fold=True), Column("repeatable"), Column("from", keep=1)]
    rows: list[list[Cell]] = [
        [kind, _summary(found.plugin), "yes" if found.plugin.repeatable else "no", found.origin]
        for kind, found in sorted(registry.plugins.items())
    ]
    screen.table(columns, rows)
    screen.talk("\nRepeatable: the destination itself drops what it has seen before.")
    screen.talk("callrouter plugins TYPE shows the settings of one.")
    for place, reason in registry.broken.items():
        screen.talk(f"\ncallrouter: the plugin in {place} cannot be used: {reason}")


def _show(found: Found) -> None:
    plugin = found.plugin
    screen.say(f"type: {plugin.type}    ({found.origin})")
    screen.say()
    screen.say(screen.safe_lines(_manual(plugin)))
    screen.say()
    settings = _settings(plugin.Settings)
    rows: list[list[Cell]] = [[setting["name"], _default(setting), setting["help"]] for setting in settings]
    if rows:
        screen.table([Column("setting"), Column("default", fold=True), Column("what it is", fold=True)], rows)
    else:
        screen.say("It has no settings of its own.")
    for setting in settings:
        if _is_long(setting["default"]):
            screen.say(f"\nDefault of {setting['name']}:\n")
            screen.say(textwrap.indent(setting["default"].rstrip(), "  "))
    screen.say()
    repeat = "Repeating a delivery is safe" if plugin.repeatable else "A repeated delivery is seen twice"
    order = "in order within a call" if plugin.order == "call" else "as soon as each is due"
    receipts = "; it updates what it made for earlier events of the same call" if plugin.uses_receipts else ""
    screen.say(f"{repeat}. By default it delivers {order}{receipts}.")


def _manual(plugin: type[Plugin[Settings]]) -> str:
    module = inspect.getmodule(plugin)
    written = inspect.getdoc(module) or inspect.getdoc(plugin) or ""
    return written.replace("``", "`")


def _summary(plugin: type[Plugin[Settings]]) -> str:
    return _manual(plugin).partition("\n")[0]


def _settings(settings: type[Settings]) -> list[dict[str, Any]]:
    from router.secret import Secret

    properties = settings.model_json_schema().get("properties", {})
    return [
        {
            "name": field.alias or name,
            "required": field.is_required(),
            "default": properties.get(field.alias or name, {}).get("default"),
            "secret": Secret in (field.annotation, *getattr(field.annotation, "__args__", ())),
            "help": field.description or "",
            "example": field.examples[0] if field.examples else None,
        }
        for name, field in settings.model_fields.items()
    ]


def _default(setting: dict[str, Any]) -> Cell:
    if setting["required"]:
        return "required", "yellow"
    value = setting["default"]
    if value in (None, [], {}, ""):
        return ""
    return "see below" if _is_long(value) else str(value)


def _is_long(default: object) -> bool:
    return isinstance(default, str) and "\n" in default


def _document(found: Found) -> dict[str, Any]:
    plugin = found.plugin
    return {
        "type": plugin.type,
        "from": found.origin,
        "summary": _summary(plugin),
        "repeatable": plugin.repeatable,
        "uses_receipts": plugin.uses_receipts,
        "order": plugin.order,
        "settings": _settings(plugin.Settings),
    }
