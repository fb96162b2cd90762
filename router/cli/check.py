"""Prove a configuration without starting anything."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli import options, screen
from router.errors import ConfigError

if TYPE_CHECKING:
    from router.config.model import Config


@click.command("check", epilog=options.exits(done="the configuration is right", store=False))
@options.config_option
@options.json_option("one JSON document")
def command(config_path: Path, as_json: bool) -> int:
    """Prove a configuration without starting anything.

    Reports every mistake at once, each with file, line, column and a hint; warnings are doubts that would not keep
    the daemon from starting. What check accepts, run accepts: both use the same code.
    """
    try:
        config = options.load(config_path)
    except ConfigError as ex:
        if not as_json:
            raise
        screen.emit({"ok": False, "file": str(config_path), "problems": [asdict(problem) for problem in ex.problems]})
        return ex.exit_code
    if as_json:
        screen.emit(_document(config))
    else:
        _show(config)
    return 0


def _show(config: Config) -> None:
    from router.config.report import render

    if config.warnings:
        screen.talk(render(config.warnings, screen.colour(err=True)))
    warned = f", with {screen.count(len(config.warnings), 'warning')}" if config.warnings else ""
    on = [one for one in config.destinations.values() if one.disabled is None]
    off = [one for one in config.destinations.values() if one.disabled is not None]
    disabled = f" ({len(off)} more disabled)" if off else ""
    screen.say(
        f"{config.path} is right{warned}: {screen.count(len(config.sources), 'source')}, "
        f"{screen.count(len(on), 'destination')}{disabled}, {screen.count(len(config.routes.rules), 'rule')}."
    )
    for one in off:
        screen.say(f"  {one.name} is disabled: {one.disabled}")


def _document(config: Config) -> dict[str, object]:
    return {
        "ok": True,
        "file": str(config.path),
        "version": config.version,
        "problems": [asdict(problem) for problem in config.warnings],
        "sources": list(config.sources),
        "destinations": [
            {"name": one.name, "type": one.plugin.type, "disabled": one.disabled}
            for one in config.destinations.values()
        ],
        "rules": [rule.name for rule in config.routes.rules],
    }
