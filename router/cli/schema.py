"""Print the JSON Schema of the configuration, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from router.cli import options, screen


@click.command("schema", epilog=options.exits(store=False))
@click.option(
    "--folder",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    metavar="FOLDER",
    help="Plugins in this folder count, too, as with plugins: {folders: [FOLDER]}. May be given several times.",
)
def command(folders: tuple[Path, ...]) -> None:
    """Print the JSON Schema of config.yaml, the settings of every plugin included.

    An editor that knows it completes keys and underlines mistakes while you type. Keep it beside the configuration and
    name it in its first line: "# yaml-language-server: $schema=.callrouter/schema.json". callrouter init does both;
    after a plugin was added, write it again: callrouter schema > .callrouter/schema.json
    """
    from router.config.schema import schema
    from router.registry import discover

    screen.say(json.dumps(schema(discover(folders)), indent=1))
