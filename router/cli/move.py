"""Take a store from a folder into a PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli import options, screen

if TYPE_CHECKING:
    from router.location import PostgresAt


@click.command("move", epilog=options.exits())
@click.option("--from", "source", required=True, metavar="sqlite:FOLDER", help="The store to take along.")
@click.option(
    "--to",
    "target",
    metavar="postgresql://…",
    help="The database to take it to; without it, the store of the configuration. A password need not be typed: "
    "PGPASSWORD, a passfile and a service file count, as for psql.",
)
@options.config_option
@options.json_option("one JSON document")
def command(source: str, target: str | None, config_path: Path, as_json: bool) -> int:
    """Take everything in a folder's store into a PostgreSQL: events, calls, deliveries, receipts, silences, the inbox.

    The daemon must be stopped. Everything goes over in one transaction: either all of it is there or nothing, and the
    source is never changed. Every row is read back and compared before it counts. Run it again whenever you like, until
    a node has worked on the database: what an earlier move has brought is replaced.

    Afterwards store: in the configuration must name the database, and the daemon can start.
    """
    from router.errors import RouterError
    from router.moving import move

    scheme, _, folder = source.partition(":")
    if scheme != "sqlite" or not folder:
        raise RouterError("--from names a folder: --from sqlite:data")
    at = _target(target, config_path)
    with screen.stages() as told:
        moved = move(Path(folder), at, progress=told)
    if as_json:
        screen.emit({"to": str(at), "moved": {one.kind: one.rows for one in moved}})
        return 0
    screen.table(
        [screen.Column("taken along"), screen.Column("rows", right=True)],
        [[one.kind, f"{one.rows:,}"] for one in moved],
    )
    screen.say(f"Every row was read back from {at} and is the same.")
    return 0


def _target(said: str | None, config_path: Path) -> PostgresAt:
    from router.errors import RouterError
    from router.location import PostgresAt
    from router.secret import Secret

    if said is not None:
        if not said.startswith(("postgresql://", "postgres://")):
            raise RouterError("--to names a database: --to postgresql://USER@HOST/DATABASE")
        return PostgresAt(Secret(said))
    at = options.load_to_look(config_path).store
    if not isinstance(at, PostgresAt):
        raise RouterError(f"store: in {config_path} is {at}: name a database there, or say --to postgresql://…")
    return at
