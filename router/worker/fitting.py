"""Whether the store and a configuration fit each other, and what makes them fit: at a start and at a reload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from router.config import Config
from router.engine import open_reading
from router.errors import ConfigError, Problem
from router.store import Store

#: The name under which the store remembers the last reload that the worker has decided on.
RELOAD = "reload"


def former_names(config: Config) -> dict[str, str]:
    """Return destination → the name it had."""
    return {name: one.formerly for name, one in config.destinations.items() if one.formerly}


def stranded(store: Store, config: Config) -> list[Problem]:
    """Return a problem for each destination that *config* does not have and that is still owed something."""
    unknown = store.unknown_destinations(config.destinations)
    return [_stranded(config, name, count) for name, count in sorted(unknown.items())]


def _stranded(config: Config, name: str, count: int) -> Problem:
    owed = "1 delivery to it is unfinished" if count == 1 else f"{count} deliveries to it are unfinished"
    text = f'destination "{name}" is gone from the configuration, but {owed}'
    hint = (
        f"put it back; or say `formerly: {name}` on the destination that replaces it; or move them to the dead "
        f"letters: callrouter give-up {name}"
    )
    return Problem(str(config.path), 1, 1, text, hint)


def paused(config: Config) -> dict[str, str]:
    """Return destination → the fingerprint of the settings that it refused, for those paused by their own answer."""
    with closing(open_reading(config)) as reading:
        return {row.name: row.paused_fingerprint for row in reading.destinations() if row.paused_fingerprint}


def withheld(config: Config) -> list[str]:
    """Return a sentence for each destination of *config* that an earlier command, or its own answer, still holds up."""
    with closing(open_reading(config)) as reading:
        rows = [row for row in reading.destinations() if row.name in config.destinations]
    paused = [f"destination {row.name} is paused: {row.paused_reason}" for row in rows if row.paused_at is not None]
    drained = [
        f"destination {row.name} takes nothing new: {row.drain_reason}" for row in rows if row.drained_at is not None
    ]
    return [*paused, *drained]


def changed_since_paused(config: Config, refused: Mapping[str, str]) -> list[str]:
    """Return those of *refused* whose settings in *config* are no longer the refused ones: their pause may end."""
    names = {old: new for new, old in former_names(config).items()}
    new_names = [(names.get(name, name), fingerprint) for name, fingerprint in refused.items()]
    known = config.destinations
    return [name for name, fingerprint in new_names if name in known and known[name].fingerprint != fingerprint]


def fit(store: Store, config: Config, number: int, now: float) -> Sequence[str]:
    """Make the store fit *config* for reload *number*, in one transaction; return the destinations whose pause ended.

    From its commit on the reload is decided, whatever becomes of this process. Raises ConfigError where something is
    owed to a destination that is gone, and StoreError; then nothing has changed.
    """
    refused = paused(config)
    with store.transaction():
        store.know(config.destinations, former_names(config))
        if problems := stranded(store, config):
            raise ConfigError(problems)
        resumed = changed_since_paused(config, refused)
        for name in resumed:
            store.resume(name, now)
        store.move_cursor(RELOAD, number)
    return resumed


def decided(config: Config, number: int) -> bool:
    """Whether the store remembers that reload *number* was decided; raises StoreError."""
    with closing(open_reading(config)) as reading:
        return reading.cursors().get(RELOAD) == number
