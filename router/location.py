"""Where the store is: a folder of this machine, or a database that several machines share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from router.secret import Secret


@dataclass(frozen=True, slots=True)
class SqliteAt:
    """A folder for everything that must survive."""

    folder: Path

    def __str__(self) -> str:
        return f"sqlite:{self.folder}"


@dataclass(frozen=True, slots=True)
class PostgresAt:
    """A database. Its URL may hold a password; ``str`` says where it is without one."""

    url: Secret

    def parameters(self) -> dict[str, str]:
        """Return what the URL says, by the names that libpq gives its parameters: ``host``, ``dbname``, ``password``.

        Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS. Raises psycopg.Error,
        whose text may show the password.
        """
        # Loaded where it is used: whoever keeps the store in a folder does not wait for it.
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - see above

        return {name: str(value) for name, value in conninfo_to_dict(self.url.reveal()).items()}

    def __str__(self) -> str:
        said = self.parameters()
        hosts = said.get("host") or said.get("hostaddr") or ""
        ports = said.get("port", "").split(",")
        fill = ports[0] if len(ports) == 1 else ""
        places = [
            f"{host}:{port}" if port else host for host, port in zip_longest(hosts.split(","), ports, fillvalue=fill)
        ]
        words = [f'database "{said["dbname"]}"'] if "dbname" in said else ["the database"]
        words += [f'of service "{said["service"]}"'] if "service" in said else []
        words += [f"on {', '.join(places)}"] if hosts else []
        words += [f'as user "{said["user"]}"'] if "user" in said else []
        return " ".join(words)


#: Where a configuration's store may be.
StoreAt = SqliteAt | PostgresAt
