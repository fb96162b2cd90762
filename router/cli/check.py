"""Prove a configuration, and run its tests, without starting anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli import options, screen, verdicts
from router.errors import ConfigError, Problem

if TYPE_CHECKING:
    from router.config.model import Config
    from router.proving import Verdict


@click.command(
    "check",
    epilog=options.exits(
        done="the configuration is right, and its tests pass", no="it is right, but a test fails", store=False
    ),
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="json: one document; github: annotations of a GitHub workflow.",
)
@click.option(
    "--junit", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the test results to FILE."
)
@options.config_option
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(form: str, junit: Path | None, config_path: Path, as_json: bool) -> int:
    """Prove a configuration, and run its tests, without starting anything.

    Reports every mistake at once, each with file, line, column and a hint; warnings are doubts that would not keep
    the daemon from starting. What check accepts, run accepts: both use the same code. Then the tests under tests: are
    run. They need no daemon and no clock, and send nothing.
    """
    form = "json" if as_json else form
    try:
        config = options.load(config_path)
    except ConfigError as ex:
        if form == "text":
            raise
        if form == "github":
            verdicts.annotate(ex.problems)
        else:
            screen.emit({"ok": False, "file": str(config_path), "problems": list(map(asdict, ex.problems))})
        return ex.exit_code
    from router import proving

    results = proving.run(config)
    if junit is not None:
        verdicts.write_junit(junit, config_path, results)
    if form == "json":
        screen.emit(_document(config, results))
    else:
        if form == "github":
            verdicts.annotate(config.warnings, results)
        else:
            _doubts(config.warnings)
        _sum_up(config)
        _show(results, in_full=form == "text")
    return 0 if all(result.passed for result in results) else 3


def _doubts(warnings: Sequence[Problem]) -> None:
    from router.config.report import render

    if warnings:
        screen.talk(render(warnings, screen.colour(err=True)))


def _sum_up(config: Config) -> None:
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


def _show(results: Sequence[Verdict], *, in_full: bool) -> None:
    failed = [result for result in results if not result.passed]
    for result in failed if in_full else ():
        test = result.test
        failure = screen.paint(screen.safe(f'test "{test.name}" failed'), "red")
        screen.say(f"{test.file}:{test.line}:{test.column}: {failure}")
        for line in result.differences:
            style = {"-": "red", "+": "green"}.get(line[:1], "")
            screen.say("    " + (screen.paint(screen.safe(line), style) if style else screen.safe(line)))
    if failed:
        screen.say(f"{len(failed)} of {screen.count(len(results), 'test')} failed: - is expected, + is what happens.")
    elif results:
        screen.say(f"{screen.count(len(results), 'test')} passed.")


def _document(config: Config, results: Sequence[Verdict]) -> dict[str, object]:
    return {
        "ok": all(result.passed for result in results),
        "file": str(config.path),
        "version": config.version,
        "problems": [asdict(problem) for problem in config.warnings],
        "sources": list(config.sources),
        "destinations": [
            {"name": one.name, "type": one.plugin.type, "disabled": one.disabled}
            for one in config.destinations.values()
        ],
        "rules": [rule.name for rule in config.routes.rules],
        "tests": [
            {
                "name": result.test.name,
                "file": result.test.file,
                "line": result.test.line,
                "column": result.test.column,
                "passed": result.passed,
                "differences": list(result.differences),
            }
            for result in results
        ],
    }
