"""What a running daemon cannot change, such as where it listens and where its data is: the next start uses it."""

from __future__ import annotations

from dataclasses import replace

from router.config import Config
from router.config.scalars import is_loopback
from router.errors import ConfigError, Problem
from router.location import PostgresAt


def waits_for_restart(new: Config, running: Config) -> tuple[str, ...]:
    """Return the keys whose values in *new* take effect at the next start only."""
    fixed: dict[str, tuple[object, object]] = {
        "listen": (new.listen, running.listen),
        "admin": (new.admin, running.admin),
        "store": (new.store, running.store),
    }
    if isinstance(new.store, PostgresAt) and isinstance(running.store, PostgresAt):
        fixed |= {
            "data": (new.data, running.data),
            "node": (new.node, running.node),
            "spool": (new.spool, running.spool),
        }
    return tuple(key for key, (wanted, used) in fixed.items() if wanted != used)


def keeping(new: Config, running: Config) -> Config:
    """Return *new* as a daemon can use it that listens, and has its data, where *running* says.

    Raises ConfigError where that would leave a source open to strangers until the next start.
    """
    if new.listen != running.listen and not is_loopback(running.listen):
        opened = [
            name
            for name, source in new.sources.items()
            if not source.authentication and (name not in running.sources or running.sources[name].authentication)
        ]
        if opened:
            text = f'source "{opened[0]}" has no auth, and listen is {running.listen} until the next start'
            hint = "until then anyone could post; give it an auth:, or restart instead of reloading"
            raise ConfigError([Problem(str(new.path), 1, 1, text, hint)])
    return replace(
        new,
        listen=running.listen,
        admin=running.admin,
        store=running.store,
        data=running.data,
        node=running.node,
        spool=running.spool,
    )


def said(keys: tuple[str, ...]) -> str:
    """Return the sentence that names *keys*: ``listen and store changed: they take effect at the next start``."""
    if len(keys) == 1:
        return f"{keys[0]} changed: it takes effect at the next start"
    return f"{', '.join(keys[:-1])} and {keys[-1]} changed: they take effect at the next start"
