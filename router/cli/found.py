"""Where the plugin commands look, and how they name what they find."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from router.cli import options, screen
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.plugin import Plugin, Settings
    from router.registry import Found, Registry

F = TypeVar("F", bound=Callable[..., object])


def folder_option(command: F) -> F:
    """Add ``--folder`` and ``--config``: both say where plugins may be."""
    folder = click.option(
        "--folder",
        "folders",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        multiple=True,
        metavar="FOLDER",
        help="Look here, too, as plugins: {folders: [FOLDER]} in the configuration does. May be given several times.",
    )
    return folder(options.config_option(command))


def given(ctx: click.Context, name: str) -> Any:
    """Return an option of this command, or where it was not given the same one of the command around it."""
    parent = ctx.parent
    by_default = ctx.get_parameter_source(name) in (None, ParameterSource.DEFAULT)
    return parent.params[name] if by_default and parent and name in parent.params else ctx.params[name]


def configured(ctx: click.Context) -> list[Path]:
    """Return the folders that the configuration names; none where there is no configuration.

    Raises ConfigError where one was asked for and cannot be read.
    """
    from router.config.load import plugin_folders

    path: Path = given(ctx, "config_path")
    asked_for = any(
        one.get_parameter_source("config_path") not in (None, ParameterSource.DEFAULT)
        for one in (ctx, ctx.parent)
        if one
    )
    if not asked_for and not path.exists():
        return []
    try:
        return plugin_folders(path)
    except ConfigError:
        if asked_for:
            raise
        screen.talk(
            f"callrouter: {path} cannot be read, so plugins in its folders are not seen; callrouter check says why."
        )
        return []


def registry(ctx: click.Context) -> Registry:
    """Return every plugin there is: bundled, of packages, of the configuration's folders, of those given."""
    return everything([*configured(ctx), *given(ctx, "folders")])


def everything(folders: Sequence[Path]) -> Registry:
    """Return every plugin there is: bundled, of packages, and in *folders*, each looked at once."""
    from router.registry import discover

    return discover(list({folder.resolve(): folder for folder in reversed(folders)}.values())[::-1])


def chosen(found: Registry, name: str) -> Found | None:
    """Return the plugin called *name*; where there is none, say why, or what there is, and return None."""
    if name in found.plugins:
        return found.plugins[name]
    reasons = [
        (place, reason)
        for place, reason in found.broken.items()
        if Path(place).stem == name or f'type "{name}"' in reason or f".{name} (" in place
    ]
    for place, reason in reasons:
        screen.talk(f"callrouter: the plugin in {place} cannot be used: {reason}.")
    if not reasons:
        screen.talk(f'callrouter: no plugin is called "{name}"; {options.meant(name, found.plugins)}')
    return None


def manual(plugin: type[Plugin[Settings]]) -> str:
    """Return what the file of *plugin* says of it, else what its class says."""
    module = inspect.getmodule(plugin)
    written = inspect.getdoc(module) or plugin.__dict__.get("__doc__") or ""
    return inspect.cleandoc(written).replace("``", "`")


def summary(plugin: type[Plugin[Settings]]) -> str:
    """Return the first line of its manual."""
    return manual(plugin).partition("\n")[0]
