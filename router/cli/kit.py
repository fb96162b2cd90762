"""What authors of plugins need: write one that works, and hold one against the contract."""

from __future__ import annotations

import contextlib
import keyword
import os
import re
import shlex
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import found, options, screen

if TYPE_CHECKING:
    from router.registry import Found, Registry
    from router.testing.checking import Finding

#: Where a new plugin goes when the configuration names no folder.
_FOLDER = "my_plugins"
#: Words that mean something else after ``callrouter plugins``.
COMMANDS = ("check", "new", "show")


@click.command("new", epilog=options.exits(store=False))
@click.argument("name")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Where to put it.")
@options.config_option
@click.pass_context
def new(ctx: click.Context, /, name: str, folder: Path | None, **_: Any) -> None:
    """Write a plugin that works, called NAME, with its test and its page.

    It goes into FOLDER, which is made if it is missing: by default the first folder that the configuration has
    under plugins:, else my_plugins beside it. No file is ever overwritten.
    """
    named, config = found.configured(ctx), found.given(ctx, "config_path")
    around = ctx.parent.params.get("folders", ()) if ctx.parent else ()
    folder = folder or next(iter((*around, *named)), config.parent / _FOLDER)
    _refuse(found.everything([*named, *around, *[folder] * folder.is_dir()]), name)
    variable, kind = name.upper(), "".join(part.capitalize() for part in name.split("_"))
    shown = Path(os.path.relpath(folder, config.parent)).as_posix()
    words = {"NAME": name, "CLASS": kind, "VARIABLE": variable, "FOLDER": shown}
    written = {folder / f"{name}.py": "plugin", folder / f"test_{name}.py": "test", folder / f"{name}.md": "page"}
    for path in written:
        if path.exists():
            raise click.UsageError(f"{path} exists and was left as it is; give another name, or another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, part in written.items():
            text = files("router.cli").joinpath("skeleton", f"{part}.txt").read_text(encoding="utf-8")
            # "x": whoever was faster than us keeps what they wrote.
            with path.open("x", encoding="utf-8") as file:
                file.write(re.sub("NAME|CLASS|VARIABLE|FOLDER", lambda word: words[word[0]], text))
            screen.say(str(path))
    except OSError as ex:
        raise click.ClickException(f"{folder} cannot be written: {ex.strerror}.") from ex
    is_named = any(folder.resolve() == one.resolve() for one in named)
    screen.talk(_next(name, folder, config, "" if is_named else f"  plugins: {{folders: [{shown}]}}\n\n"))


def _refuse(there: Registry, name: str) -> None:
    """Raise click.UsageError where *name* cannot be that of a plugin beside those *there*."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        meant = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_0123456789")
        usable = meant and meant != name and not keyword.iskeyword(meant)
        hint = f'; "{meant}" would do' if usable else ""
        rule = "lower-case letters, digits and _, beginning with a letter, and no word of Python's own"
        raise click.UsageError(f'A plugin cannot be called "{name}": write {rule}{hint}.')
    if name in COMMANDS:
        raise click.UsageError(f'A plugin cannot be called "{name}": callrouter plugins {name} means something else.')
    if name in sys.stdlib_module_names:
        raise click.UsageError(f'A plugin cannot be called "{name}": Python has a module of that name.')
    if name in there.plugins:
        raise click.UsageError(f'There is a plugin called "{name}" ({there.plugins[name].origin}); give another name.')
    if any(f'type "{name}"' in reason for reason in there.broken.values()):
        raise click.UsageError(f'There are several plugins called "{name}" already; callrouter plugins shows them.')


def _next(name: str, folder: Path, config: Path, folders: str) -> str:
    variable = name.upper()
    python = Path(sys.executable)
    interpreter = os.path.relpath(python) if python.is_relative_to(Path.cwd()) else str(python)
    run = f"{shlex.quote(interpreter)} -m pytest {shlex.quote(str(folder / f'test_{name}.py'))}"
    return f"""
Next, add this to {config}, and {name} to send: of a rule:

{folders}  destinations:
    {name}: {{type: {name}, url: "${{{variable}_URL}}", optional: true}}

Then:
  {run}    its test (pip install pytest)
  callrouter plugins check {name}    the contract, point by point
  callrouter try {name}    really send one missed call, once {variable}_URL is set"""


@click.command("check", epilog=options.exits(done="everything holds", no="something does not", store=False))
@click.argument("name")
@click.option(
    "--set",
    "given",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting, in place of a made-up one; VALUE as in the configuration. May be given several times.",
)
@click.option(
    "--page",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Its manual page, unless that is NAME.md beside it.",
)
@found.folder_option
@options.json_option("one JSON document")
@click.pass_context
def check(ctx: click.Context, /, name: str, given: tuple[str, ...], page: Path | None, **_: Any) -> int:
    """Hold the plugin NAME against everything the contract says, and show point by point what holds.

    Nothing is sent: it is given made-up settings, and a destination that answers as its trial says. What a plugin
    writes by itself goes into a folder that is deleted afterwards.
    """
    plugin = found.chosen(found.registry(ctx), name)
    if plugin is None:
        return 3
    findings = _examined(plugin, _settings(given), page.resolve() if page else _page(plugin))
    holds = not any(finding.problems for finding in findings)
    if found.given(ctx, "as_json"):
        screen.emit(_document(plugin, findings))
    else:
        _show(plugin, findings)
    return 0 if holds else 3


def _settings(given: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    settings = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals:
            raise click.UsageError(f'--set "{one}": write KEY=VALUE.')
        try:
            settings[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            settings[key.strip()] = value
    return settings


def _page(plugin: Found) -> Path | None:
    import inspect

    from router.registry import BUNDLED

    code = Path(inspect.getfile(plugin.plugin)).resolve()
    name = f"{plugin.plugin.type}.md"
    beside = [code.with_suffix(".md"), code.with_name(name), BUNDLED.parent / "docs" / "plugins" / name]
    places = beside if code.is_relative_to(BUNDLED) else beside[:2]
    return next((place for place in places if place.is_file()), None)


def _examined(plugin: Found, settings: dict[str, Any], page: Path | None) -> list[Finding]:
    from router.testing.checking import examine
    from router.testing.made_up import made_up

    # A plugin that hangs may hold a file open there.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, contextlib.chdir(folder):
        return examine(plugin.plugin, made_up(plugin.plugin, settings), page=page)


def _show(plugin: Found, findings: list[Finding]) -> None:
    version = f", version {plugin.version}" if plugin.version else ""
    screen.say(screen.safe(f"{plugin.plugin.type} ({plugin.origin}{version})"))
    screen.say()
    for finding in findings:
        word, style = ("no", "red") if finding.problems else ("–", "yellow") if finding.unchecked else ("ok", "green")
        screen.say(f"{screen.paint(f'{word:<3}', style)} {finding.promise}")
        for problem in finding.problems:
            screen.say(f"      {screen.safe(problem)}")
        if finding.problems:
            screen.say(f"      → {finding.todo}")
    wrong = sum(bool(finding.problems) for finding in findings)
    unchecked = sum(finding.unchecked is not None for finding in findings)
    held = len(findings) - wrong - unchecked
    rest = [f"{held} hold"] + [f"{wrong} do not"] * bool(wrong) + [f"{unchecked} were not checked"] * bool(unchecked)
    why = next((f": {finding.unchecked}" for finding in findings if finding.unchecked), "")
    screen.say(f"\nOf {len(findings)} points {', '.join(rest)}{why}.")


def _document(plugin: Found, findings: list[Finding]) -> dict[str, Any]:
    return {
        "type": plugin.plugin.type,
        "from": plugin.origin,
        "version": plugin.version,
        "holds": not any(finding.problems for finding in findings),
        "findings": [
            {
                "name": finding.name,
                "promise": finding.promise,
                "holds": None if finding.unchecked else not finding.problems,
                "problems": list(finding.problems),
                "todo": finding.todo if finding.problems else None,
                "unchecked": finding.unchecked,
            }
            for finding in findings
        ],
    }
