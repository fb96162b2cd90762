"""The command line: one module per command, loaded when it is asked for.

``main`` is the only place where an error becomes an exit code.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

import click

from router import __version__
from router.errors import ConfigError, RouterError

#: What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130

#: Commands as ``--help`` lists them: what a newcomer types first stands first.
_SECTIONS = {
    "Set up": ("init", "check", "explain", "plan", "try", "plugins", "schema"),
    "Run": ("run", "serve", "work", "send"),
    "Look": ("status", "doctor", "events", "calls", "deliveries", "commands"),
    "Act": ("reload", "replay", "cancel", "silence", "pause", "drain", "resume", "give-up"),
    "Keep": ("move",),
}

#: Commands whose module cannot have their name, because something here, or Python itself, has it.
_MODULES = {"commands": "trail", "try": "trial"}


class _Commands(click.Group):
    """Finds each command in the module of its name, so that one command does not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click fixes the signature
        return [name for names in _SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"router.cli.{_MODULES.get(cmd_name, cmd_name.replace('-', '_'))}")
        command: click.Command = module.command
        command.short_help = (module.__doc__ or "").strip()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if close := get_close_matches(args[0], self.list_commands(ctx), 1):
                raise click.UsageError(f"No such command '{args[0]}'. Did you mean '{close[0]}'?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, names in _SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(section):
                formatter.write_dl([(name, command.get_short_help_str(66)) for name, command in commands if command])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="callrouter COMMAND --help says more. Every command that reads the configuration takes "
    "--config FILE, or the variable CALLROUTER_CONFIG.",
)
@click.version_option(__version__, prog_name="callrouter", message="%(prog)s %(version)s")
def commands() -> None:
    """Receive call events from a phone system and tell Slack, CRMs and any HTTP destination, losing none."""


def main() -> NoReturn:
    """Run the command that the process was started with, and exit with its code."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what went wrong is one sentence on stderr."""
    try:
        # Not commands.main(): that one ends with 1 where a reader of our output hangs up.
        with commands.make_context("callrouter", list(arguments)) as ctx:
            result = commands.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as ex:
        return ex.exit_code
    except click.ClickException as ex:
        ex.show()
        return ex.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # `callrouter events | head` is no failure; the interpreter must not flush into the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ConfigError as ex:
        _show_problems(ex)
        return ex.exit_code
    except PermissionError as ex:
        if ex.filename is None:
            raise
        click.echo(f"callrouter: cannot use {ex.filename}: {ex.strerror}. Run as the user who owns it", err=True)
        return RouterError.exit_code
    except RouterError as ex:
        click.echo(f"callrouter: {ex}", err=True)
        return ex.exit_code
    return result if isinstance(result, int) else 0


def _show_problems(error: ConfigError) -> None:
    from router.config.report import render

    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    click.echo(render(error.problems, colour), err=True)
