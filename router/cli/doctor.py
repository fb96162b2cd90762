"""Examine store, clock, disk, names and configuration, and say what to do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from router.cli import options, screen

#: Columns before a finding: its level, and what it is about.
_INDENT = 24
_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


class Patience(click.ParamType[float]):
    """A duration, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from router.units import duration

        try:
            return value if isinstance(value, float) else duration(str(value))
        except ValueError as ex:
            self.fail(str(ex), param, ctx)


@click.command("doctor", epilog=options.exits(done="no problem was found", no="there is a problem", store=False))
@click.option(
    "--patience",
    type=Patience(),
    default="30s",
    show_default=True,
    metavar="DURATION",
    help="Give up a question to the store after so long.",
)
@options.config_option
@options.json_option("one JSON document")
def command(patience: float, config_path: Path, as_json: bool) -> int:
    """Examine store, clock, disk, names and configuration, and say what to do.

    One line for each thing that was looked at: ok, note (worth knowing) or problem, the latter two with what to do. It
    looks at the configuration and its tests, who runs, the integrity of the store and whether it agrees with itself,
    the version of SQLite, the inbox, the clock, room and speed of the disk, rights of files, whether the name of every
    destination resolves, and certificate authorities.

    Changes nothing and connects to no destination. Works while the daemon runs and while it is stopped. A large store
    takes long to read: meanwhile its write-ahead log grows.
    """
    from router import doctor

    if not config_path.is_file():
        # Without one, nobody knows where the rest is.
        options.load_to_look(config_path)
    findings = []
    for finding in doctor.examine(config_path, patience=patience):
        findings.append(finding)
        if not as_json:
            mark = screen.paint(f"{finding.level:<8}", _COLOURS[finding.level])
            first, *rest = screen.wrapped(finding.text, _INDENT)
            screen.say(f"{mark} {finding.what:<13}  {first}")
            for line in rest:
                screen.say(f"{'':<{_INDENT}}{line}")
            for number, line in enumerate(screen.wrapped(finding.todo, _INDENT + 2) if finding.todo else ()):
                screen.say(f"{'':<{_INDENT}}{'→' if number == 0 else ' '} {line}")
    problems = sum(finding.level == "problem" for finding in findings)
    if as_json:
        screen.emit({"ok": not problems, "findings": list(map(asdict, findings))})
    else:
        screen.say(f"{screen.count(problems, 'problem')}." if problems else "No problem was found.")
    return 3 if problems else 0
