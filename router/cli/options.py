"""What several commands take from their command line, and how they reach configuration and store."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from router.config.model import Config, Source
    from router.status import Daemon
    from router.store import Reading, State

F = TypeVar("F", bound=Callable[..., object])

_EXITS = {
    0: "done",
    1: "it failed; the sentence on stderr says why",
    2: "the command line or the configuration is wrong",
    4: "the store refused",
}


def exits(*, no: str | None = None, done: str | None = None, store: bool = True) -> str:
    """Return the end of a help text that names every exit code; *no* is what 3 means, *store* whether 4 can happen."""
    codes = dict(_EXITS) if store else {code: text for code, text in _EXITS.items() if code != 4}
    if done:
        codes[0] = done
    if no:
        codes[3] = no
    return "\n".join(["\b", "Exit codes:", *(f"  {code}  {text}" for code, text in sorted(codes.items()))])


def config_option(command: F) -> F:
    """Add ``--config``."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default="config.yaml",
        envvar="CALLROUTER_CONFIG",
        show_default=True,
        show_envvar=True,
        metavar="FILE",
        help="The configuration.",
    )(command)


def json_option(what: str) -> Callable[[F], F]:
    """Add ``--json``; *what* says in words what is printed then."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what}, for a script to read.")


class Ago(click.ParamType[float]):
    """A duration before now (``2h``, ``3d``), or a moment with its zone, as the moment it names."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from router.units import duration

        if isinstance(value, float):
            return value
        if (moment := _moment(str(value))) is not None:
            return moment
        try:
            return time.time() - duration(str(value))
        except ValueError as ex:
            self.fail(f"{ex}; or a moment with its zone, 2026-01-04T10:00:00Z", param, ctx)


def _moment(text: str) -> float | None:
    from datetime import datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None


since_option = click.option(
    "--since", type=Ago(), metavar="WHEN", help="Only the last 30m, 2h, 3d, …; or since a moment, 2026-01-04T10:00:00Z."
)
limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most this many."
)


def state_named(word: str) -> State:
    """Return the delivery state that *word* (one of ``STATES``) spells."""
    from router.store import State

    return State[word.upper()]


#: The words of ``router.store.State``, spelled here so that --help need not load the store; a test compares them.
STATES = ("ready", "leased", "waiting", "held", "delivered", "dead", "expired", "cancelled", "silenced")


def load(path: Path) -> Config:
    """Return the configuration in *path*; raises ConfigError."""
    from router import config

    return config.load(path)


def load_to_look(path: Path) -> Config:
    """Return the configuration in *path*, also where this shell lacks the secrets of the daemon; raises ConfigError."""
    from router import config

    return config.load(path, to_look=True)


@contextmanager
def reading(config: Config) -> Iterator[Reading]:
    """Open the store of *config* for reading; raises StoreError, with what to do where it does not exist yet."""
    from router.engine import open_reading

    store = open_reading(config)
    try:
        yield store
    finally:
        store.close()


def who() -> str:
    """Return the login name of whoever types, for the audit trail."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


def whole_call(store: Reading, said: str | None) -> str | None:
    """Return the id of the call that *said* is, or is the beginning of: the log shows no more of it.

    Raises click.UsageError where several begin so.
    """
    if said is None:
        return None
    begun = said.lower()
    found = store.call_ids(begun, 4)
    if begun in found or not found:
        return begun
    if len(found) > 1:
        raise click.UsageError(f'Several calls begin with "{said}": {", ".join(found[:3])}, …; write more of it.')
    return found[0]


def know_all(config: Config, where: Mapping[str, Any]) -> None:
    """Return when everything that *where* names exists: nothing was found, and a misspelt name may be why.

    Raises click.UsageError with what was probably meant.
    """
    from router.event import ALERT, EVENT_TYPES, OWN_TYPES

    if where.get("destination"):
        know(config, where["destination"])
    if where.get("source"):
        source(config, where["source"])
    accepted = {one for each in config.sources.values() for one in each.accept_types}
    _know("rule", where.get("rule"), {rule.name for rule in config.routes.rules})
    _know("event type", where.get("event_type"), {*EVENT_TYPES, *OWN_TYPES, ALERT, *accepted})


def _know(what: str, name: str | None, names: Collection[str]) -> None:
    if name is not None and name not in names:
        raise click.UsageError(f'No {what} is called "{name}"; {meant(name, names)}')


def meant(name: str, names: Collection[str]) -> str:
    """Return the end of a sentence about an unknown *name*: which of *names* it may mean, or which there are."""
    from difflib import get_close_matches

    close = get_close_matches(name, names, 1)
    return f'did you mean "{close[0]}"?' if close else f"there are: {', '.join(sorted(names)) or 'none'}."


def know(config: Config, destination: str) -> None:
    """Return when *destination* is one of ours, also a former one; raises click.UsageError with the likely ones."""
    if destination in config.destinations:
        return
    from router.errors import StoreError

    names = set(config.destinations)
    try:
        with reading(config) as store:
            names |= {row.name for row in store.destinations()}
    except StoreError:
        pass
    _know("destination", destination, names)


def living(config: Config) -> list[Daemon]:
    """Return the daemons that run on the data of *config*."""
    from router.status import daemons

    return [one for one in daemons(config.data) if one.alive]


def delivers(config: Config) -> bool:
    """Return whether a daemon runs that carries commands out."""
    return any("worker" in one.roles for one in living(config))


def carried_out(config: Config) -> str:
    """Say when a recorded command takes effect."""
    if delivers(config):
        return "The running daemon carries it out now."
    return "The daemon is not running; it carries this out when it starts."


def source(config: Config, name: str | None) -> Source:
    """Return the source called *name*, or the only one; raises click.UsageError with the names there are."""
    names = ", ".join(config.sources)
    if name is None:
        if len(config.sources) != 1:
            raise click.UsageError(f"Say which source sends with --source; there are: {names}.")
        return next(iter(config.sources.values()))
    if name not in config.sources:
        raise click.UsageError(f'No source is called "{name}"; there are: {names}.')
    return config.sources[name]
