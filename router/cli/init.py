"""Write a first configuration."""

from __future__ import annotations

import json
import shlex
from importlib.resources import files
from pathlib import Path

import click

from router.cli import options, screen


@click.command("init", epilog=options.exits(store=False))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
def command(folder: Path) -> None:
    """Write a commented config.yaml into FOLDER (here, unless you say where).

    It runs as it is, without an account or a secret, and shows what else there is. An existing file is never
    overwritten. A .gitignore keeps the data out of version control, and .callrouter/schema.json tells editors what a
    configuration may say.
    """
    config = folder / "config.yaml"
    if config.exists():
        raise click.UsageError(f"{config} exists and was left as it is; give another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(config, files("router.cli").joinpath("starter.yaml").read_bytes())
        _write_schema(folder / ".callrouter" / "schema.json")
        ignore = folder / ".gitignore"
        if not ignore.exists():
            _write(
                ignore, b"# What callrouter keeps: events, deliveries, commands. Back it up; never commit it.\ndata/\n"
            )
    except OSError as ex:
        raise click.ClickException(f"{folder} cannot be written: {ex.strerror}.") from ex
    screen.say(str(config))
    screen.talk(_NEXT.format(where="" if folder == Path() else f"cd {shlex.quote(str(folder))}\n  "))


_NEXT = """
Next:
  {where}callrouter check                   prove what you have written
  callrouter run                     start the daemon; it prints where to POST
  callrouter send --sample missed    play a whole call against it, from another terminal
"""


def _write_schema(path: Path) -> None:
    """Write what the first line of the starter names, unless it is there."""
    from router.config.schema import schema
    from router.registry import discover

    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        _write(path, json.dumps(schema(discover()), indent=1).encode() + b"\n")


def _write(path: Path, text: bytes) -> None:
    # "x": whoever was faster than us keeps what they wrote.
    with path.open("xb") as file:
        file.write(text)
