"""List the plugins there are, show or check one, or write a new one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from router.cli import found, kit, options, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.plugin import Settings
    from router.registry import Found, Need, Registry


class _Plugins(click.Group):
    """Takes any word that is no command for the name of a plugin: ``callrouter plugins slack``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            return "show", self.commands["show"], args
        return super().resolve_command(ctx, args)


@click.group(
    "plugins",
    cls=_Plugins,
    invoke_without_command=True,
    subcommand_metavar="[NAME | COMMAND [ARGS]...]",
    epilog=options.exits(no="a plugin is broken, or none is called NAME", store=False),
)
@found.folder_option
@options.json_option("one JSON document")
@click.pass_context
def command(ctx: click.Context, /, *, as_json: bool, **_: Any) -> int | None:
    """List the plugins that a destination's "type:" can name; with NAME, the settings of that one.

    Plugins are found in callrouter itself, in installed packages (entry point group callrouter.plugins), and in
    folders: those of the configuration, if there is one, and those given. One that could not be loaded is listed with
    the reason.
    """
    if ctx.invoked_subcommand is not None:
        return None
    registry = found.registry(ctx)
    if as_json:
        screen.emit(_documents(registry.plugins, registry))
    else:
        _list(registry)
    return 3 if registry.broken else 0


@command.command("show", epilog=options.exits(no="no plugin is called NAME", store=False))
@click.argument("name")
@found.folder_option
@options.json_option("one JSON document")
@click.pass_context
def _one(ctx: click.Context, /, name: str, **_: Any) -> int:
    """Show the plugin NAME with its settings. The word "show" may be left out."""
    registry = found.registry(ctx)
    plugin = found.chosen(registry, name)
    if plugin is None:
        return 3
    if found.given(ctx, "as_json"):
        screen.emit(_documents({name: plugin}, registry))
    else:
        _show(plugin)
    return 0


command.add_command(kit.new)
command.add_command(kit.check)


def _list(registry: Registry) -> None:
    columns = [
        Column("type"),
        Column("what it does", fold=True),
        Column("repeatable", keep=2),
        Column("from", keep=4, fold=True),
        Column("version", keep=3),
        Column("needs", keep=5, fold=True),
    ]
    rows: list[list[Cell]] = [
        [
            kind,
            found.summary(one.plugin),
            "yes" if one.plugin.repeatable else "no",
            one.origin,
            one.version or "",
            _needs(one),
        ]
        for kind, one in sorted(registry.plugins.items())
    ]
    screen.table(columns, rows)
    screen.talk("\nRepeatable: the destination itself drops what it has seen before.")
    screen.talk("callrouter plugins NAME shows one with its settings; check NAME checks it; new NAME writes one.")
    for place, reason in registry.broken.items():
        screen.talk(f"\ncallrouter: the plugin in {screen.safe(place)} cannot be used: {screen.safe(reason)}.")


def _needs(one: Found) -> Cell:
    """Return what must be installed for it, and in red what is not."""
    missing = [need.requirement for need in one.needs if need.installed is None]
    if missing:
        return f"{', '.join(missing)}: not installed", "yellow" if one.extra else "red"
    words = ", ".join(need.requirement for need in one.needs)
    return f"{words} (extra {one.extra})" if one.extra else words


def _show(one: Found) -> None:
    plugin = one.plugin
    version = f", version {one.version}" if one.version else ""
    screen.say(screen.safe(f"type: {plugin.type}    ({one.origin}{version})"))
    screen.say()
    screen.say(screen.safe_lines(found.manual(plugin)))
    screen.say()
    for need in one.needs:
        screen.say(screen.safe(f"It needs {need.requirement}{_how(need, one)}."))
    if one.needs:
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


def _how(need: Need, one: Found) -> str:
    if need.installed is not None:
        return f", and {need.installed} is installed"
    return (
        f", which is not installed: pip install 'callrouter[{one.extra}]'" if one.extra else ", which is not installed"
    )


def _settings(settings: type[Settings]) -> list[dict[str, Any]]:
    from router.secret import holds_secrets

    properties = settings.model_json_schema().get("properties", {})
    return [
        {
            "name": field.alias or name,
            "required": field.is_required(),
            "default": properties.get(field.alias or name, {}).get("default"),
            "secret": holds_secrets(field.annotation),
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


def _documents(plugins: Mapping[str, Found], registry: Registry) -> dict[str, Any]:
    return {"plugins": [_document(one) for _, one in sorted(plugins.items())], "broken": dict(registry.broken)}


def _document(one: Found) -> dict[str, Any]:
    plugin = one.plugin
    return {
        "type": plugin.type,
        "from": one.origin,
        "version": one.version,
        "extra": one.extra,
        "needs": [asdict(need) for need in one.needs],
        "summary": found.summary(plugin),
        "repeatable": plugin.repeatable,
        "uses_receipts": plugin.uses_receipts,
        "order": plugin.order,
        "settings": _settings(plugin.Settings),
    }
