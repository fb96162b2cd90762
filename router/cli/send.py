"""Post a call event, or play a whole sample call."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import click

from router.cli import options, screen
from router.errors import RouterError

if TYPE_CHECKING:
    from router.config.model import Config, Source

#: The samples of ``router.samples``, spelled here so that --help need not load them; a test compares them.
SAMPLES = ("answered", "missed", "busy", "cancelled", "rejected", "dtmf")

#: Seconds between the events of a call that is played quickly.
_QUICK = 0.2
#: The daemon answers within a second or refuses; this is for one that hangs.
_PATIENCE = 15.0


class _Answer(NamedTuple):
    status: int
    body: bytes
    seconds: float


class _NotRunning(RouterError):
    """Nobody answers where the daemon should."""


@click.command("send", epilog=options.exits(done="every event was accepted", no="an event was refused", store=False))
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--sample", type=click.Choice(SAMPLES), help="Play a whole call instead of posting a file.")
@click.option("--from", "from_", metavar="NUMBER", help="Who calls, in the sample.")
@click.option("--to", metavar="NUMBER", help="Who is called, in the sample.")
@click.option("--uuid", metavar="UUID", help="The sample's call; a new one each time, unless given.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Play the sample N times as fast as life (1 is real time). Without it: events 0.2 seconds apart.",
)
@click.option("--source", metavar="NAME", help="Post as this source; the only one configured, unless given.")
@options.config_option
@options.json_option("one line of JSON for each event")
def command(file: BinaryIO | None, sample: str | None, config_path: Path, as_json: bool, **chosen: Any) -> int:
    """Post the event in FILE (- is stdin), or play a whole sample call, to the running daemon.

    The events go where the configuration listens, with the credentials it demands, and are treated like any other:
    rules fire and destinations are told. A sample carries the times of a call that has just ended. Its numbers are kept
    for fiction by the British regulator: they can ring nobody.
    """
    if (file is None) == (sample is None):
        raise click.UsageError("Give a FILE with one event, or --sample NAME; not both.")
    if file is not None and (unusable := [name for name in ("from_", "to", "uuid", "speed") if chosen[name]]):
        raise click.UsageError(f"--{unusable[0].rstrip('_')} belongs to --sample; a FILE is posted as it is.")
    config = options.load_to_look(config_path)
    source = options.source(config, chosen["source"])
    bodies = iter([file.read()]) if file is not None else _played(str(sample), chosen)
    refused = 0
    body = b""
    for body in bodies:
        answer = _post(config, source, body)
        _tell(body, answer, as_json)
        refused += answer.status != 200
        if answer.status == 401 and config.unset:
            screen.talk(
                f"In this shell {', '.join(sorted(set(config.unset)))}; the daemon has it from its own environment."
            )
        if answer.status == 503:
            screen.talk(f"  {_command('status', config)} says why.")
    if sample is not None and not refused and not as_json:
        call = str(_object(body).get("uuid"))[:8]
        screen.talk(f"What becomes of it: {_command(f'calls {call}', config)}")
    return 3 if refused else 0


def _played(sample: str, chosen: dict[str, Any]) -> Iterator[bytes]:
    from router import samples

    now, speed = time.time(), chosen["speed"]
    call = {"uuid": chosen["uuid"], "from_": chosen["from_"], "to": chosen["to"]}
    length = samples.play(sample, started_at=now, **call)[-1].after
    count = len(samples.play(sample, started_at=now, **call))
    # The last event is posted at the moment it says it happened.
    lasts = length / speed if speed else _QUICK * (count - 1)
    for number, timed in enumerate(samples.play(sample, started_at=now + lasts - length, **call)):
        due = now + (timed.after / speed if speed else _QUICK * number)
        time.sleep(max(0.0, due - time.time()))
        yield json.dumps(timed.event).encode()


def _post(config: Config, source: Source, body: bytes) -> _Answer:
    import http.client
    from urllib.parse import quote

    from router.cli import credentials

    host, port = _address(config)
    carried = {"Content-Type": "application/json", **credentials.headers(source.authentication, body, time.time())}
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    started = time.perf_counter()
    try:
        connection.request("POST", f"/webhooks/{quote(source.name, safe='')}", body, carried)
        answer = connection.getresponse()
        return _Answer(answer.status, answer.read(), time.perf_counter() - started)
    except (OSError, http.client.HTTPException) as ex:
        why = "nothing listens there" if isinstance(ex, ConnectionRefusedError) else str(ex) or type(ex).__name__
        todo = f"Is the daemon running? Start it with: {_command('run', config)}"
        raise _NotRunning(f"the event could not be posted to {host}:{port}: {why}. {todo}") from ex
    finally:
        connection.close()


def _address(config: Config) -> tuple[str, int]:
    host, port = config.listen.host, config.listen.port
    if port == 0:
        from router.status import daemons

        said = [one.listen for one in daemons(config.data) if one.alive and one.listen]
        if not said:
            raise _NotRunning(f"the daemon is not running. Start it with: {_command('run', config)}")
        host, _, digits = said[0].rpartition(":")
        host, port = host.strip("[]"), int(digits)
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host), port  # noqa: S104 - not bound here


def _command(words: str, config: Config) -> str:
    from router.status import command as spelled

    return spelled(words, config.path)


def _tell(body: bytes, answer: _Answer, as_json: bool) -> None:
    sent, said = _object(body), _object(answer.body)
    kind, call = str(sent.get("event_type", "event")), str(sent.get("uuid") or sent.get("id") or "")
    milliseconds = 1000 * answer.seconds
    if as_json:
        screen.emit({"type": kind, "call": call, "status": answer.status, "ms": round(milliseconds, 1), "answer": said})
        return
    status = screen.paint(str(answer.status), "green" if answer.status == 200 else "red")
    screen.say(f"{screen.safe(kind):<14} {screen.safe(call):<36}  {status}  {milliseconds:.0f} ms")
    if answer.status != 200:
        for line in _faults(said) or [answer.body.decode("utf-8", "backslashreplace")]:
            screen.talk(f"  {screen.safe(line)}")


def _faults(said: dict[str, Any]) -> list[str]:
    """What a problem document (RFC 9457) says, one line each."""
    lines = [text for text in (said.get("title"), said.get("detail") or said.get("description")) if text]
    for fault in said.get("faults", []):
        lines.append(f"{fault['path']}: {fault['text']}" if fault.get("path") else str(fault.get("text", "")))
    return lines


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
