"""Really send one sample to one destination, and show what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from router.cli import bodies, options, screen
from router.errors import InvalidEvent
from router.units import spell

if TYPE_CHECKING:
    from router.config.model import Config, Destination, Source
    from router.event import CallEvent
    from router.trying import Chosen, Tried

#: The samples of ``router.samples``, spelled here so that --help need not load them; a test compares them.
SAMPLES = ("answered", "missed", "busy", "cancelled", "rejected", "dtmf")

#: The verdict in words, and its colour.
_VERDICTS = {
    "delivered": ("delivered", "green"),
    "again": ("not delivered; it would be tried again", "yellow"),
    "dead": ("refused; it would be a dead letter", "red"),
    "expired": ("not delivered; it would expire", "red"),
    "paused": ("the destination would be paused", "red"),
    "bug": ("a bug in the plugin; it would be tried again", "red"),
}


@click.command(
    "try", epilog=options.exits(done="the destination has accepted it", no="it has not; see why above", store=False)
)
@click.argument("destination")
@click.option("--sample", type=click.Choice(SAMPLES), help="Which sample call; missed, unless given.")
@click.option("--event", "file", type=click.File("rb"), metavar="FILE", help="An event of your own (- is stdin).")
@click.option("--from", "from_", metavar="NUMBER", help="Who calls, in the sample.")
@click.option("--to", metavar="NUMBER", help="Who is called, in the sample.")
@click.option("--source", metavar="NAME", help="Whose event it is; the first one configured, unless given.")
@options.config_option
@options.json_option("one JSON document")
def command(
    *,
    destination: str,
    sample: str | None,
    file: BinaryIO | None,
    from_: str | None,
    to: str | None,
    source: str | None,
    config_path: Path,
    as_json: bool,
) -> int:
    """Send one event to DESTINATION, for real and at once, and show what was sent and what it answered.

    It is sent from here: no daemon is needed, and one that runs is not disturbed. Nothing is recorded or tried again,
    and a pause, hours, silences, rates and breakers do not count. Secrets are never shown.

    The event is the last of the sample call that the rules send to DESTINATION, the call's own end (call_ended)
    included, with the texts of that rule. If they send none of it there, it is the call's end, and that is said. FILE
    has an event as JSON, or the events of a call as a list or one a line; they are chosen from in the same way.

    The numbers of a sample are kept for fiction by the British regulator. A CRM really keeps the call, and --from
    NUMBER makes it one of a contact you have.
    """
    if file is not None and (sample or from_ or to):
        raise click.UsageError("--sample, --from and --to are about a sample; --event FILE is sent as it is.")
    config = options.load_to_look(config_path)
    to_try = _destination(config, destination)
    chosen_source = options.source(config, source or next(iter(config.sources), None))
    events = _own(file.read(), chosen_source) if file else _sample(sample or "missed", config, chosen_source, from_, to)
    if isinstance(events, int):
        return events
    from router import trying

    chosen = trying.choose(config, destination, events, ended=file is None)
    name = "your event" if file else f'of the sample call "{sample or "missed"}"'
    screen.talk(f"Sending {_what(chosen, name)} to {destination} (type {to_try.plugin.type}), for real.")
    tried = trying.attempt(config, to_try, chosen, begins=lambda host: screen.talk(f"  to {screen.safe(host)} …"))
    if as_json:
        screen.emit(_document(to_try, tried))
    else:
        _show(config, to_try, tried)
    return 0 if tried.delivered else 3


def _destination(config: Config, name: str) -> Destination:
    from router.config.model import SWITCHED_OFF

    found = config.destinations.get(name)
    if found is None:
        # One that cannot be read without its variables is not among them.
        lacking = f" In this shell {', '.join(sorted(set(config.unset)))}." if config.unset else ""
        hint = options.meant(name, config.destinations)
        raise click.UsageError(f'No destination is called "{name}"; {hint}{lacking}')
    if found.disabled == SWITCHED_OFF:
        screen.talk(f"{name} is switched off ({SWITCHED_OFF}); it is told all the same.")
    elif found.disabled is not None:
        raise click.UsageError(f"{name} cannot be told: in this shell {found.disabled}. Set it and try again.")
    return found


def _sample(name: str, config: Config, source: Source, from_: str | None, to: str | None) -> Sequence[CallEvent]:
    from router import samples
    from router.event import read

    lasts = samples.play(name, started_at=0.0)[-1].after + config.settle
    started_at = time.time() - lasts
    played = samples.play(name, started_at=started_at, from_=from_, to=to)
    return [read(json.dumps(timed.event).encode(), source.name, started_at + timed.after) for timed in played]


def _own(raw: bytes, source: Source) -> Sequence[CallEvent] | int:
    """Return the events in *raw*; where the source may not send one, say why and return the exit code."""
    from router.event import check, read

    events: list[CallEvent] = []
    for body in bodies.split(raw):
        try:
            check(body, validation=source.validation, accept_types=source.accept_types)
        except InvalidEvent as ex:
            screen.talk(f"callrouter: no source could send this event: {screen.safe(str(ex))}. Nothing was sent.")
            return 3
        event = read(body, source.name, 0.0)
        event.received_at = max(event.event_time, events[-1].received_at if events else 0.0)
        events.append(event)
    return events


def _what(chosen: Chosen, name: str) -> str:
    kind = screen.safe(chosen.decided.event.event_type)
    return f"{kind}, {name}" if name.startswith("your") else f"{kind} {name}"


def _show(config: Config, destination: Destination, tried: Tried) -> None:
    event = tried.chosen.decided.event
    nobody = "by nobody: your rules send no event of this call there; its own texts were used"
    screen.pairs(
        [
            ("event", f"{event.event_type} of call {event.call_id}"),
            ("asked", tried.chosen.asker or nobody),
        ]
    )
    for number, one in enumerate(tried.sent, start=1):
        screen.say()
        (_show_request if "method" in one else _show_mail)(number, one)
    if not tried.sent:
        _show_unseen(destination, tried)
    words, colour = _VERDICTS.get(tried.verdict, (tried.verdict, "red"))
    if tried.verdict == "delivered":
        words += f" in {1000 * tried.seconds:,.0f} ms"
    if tried.again_after is not None:
        words += f" after about {spell(round(tried.again_after))}"
    screen.say()
    screen.say(screen.paint(words, colour) + (f": {screen.safe(tried.reason)}" if tried.reason else ""))
    if todo := _todo(config, destination, tried):
        screen.paragraph(f"What to do: {todo}", hanging=0)
    if tried.receipt is not None:
        receipt = json.dumps(tried.receipt, ensure_ascii=False)
        screen.say(f"receipt, for the next event of a call: {screen.safe(receipt)}")
    if tried.bug:
        screen.talk("\n" + screen.safe_lines(tried.bug.rstrip()))


def _show_request(number: int, one: dict[str, Any]) -> None:
    screen.say(screen.safe(f"{number}. {one['method']} {one['url']}"))
    screen.pairs(list(one["headers"].items()), indent=3)
    _show_body(one)
    screen.say()
    answer = one["answer"]
    if answer is None:
        screen.say(f"   no answer: {screen.safe(one['failure'] or 'the plugin did not wait for one')}")
        return
    screen.say(f"   answered {answer['status']} after {1000 * answer['seconds']:,.0f} ms")
    screen.pairs(list(answer["headers"].items()), indent=3)
    _show_body(answer)


def _show_mail(number: int, one: dict[str, Any]) -> None:
    user = f", as {one['user']}" if one["user"] else ""
    screen.say(screen.safe(f"{number}. mail by {one['server']} (tls: {one['tls']}{user})"))
    screen.pairs([("envelope", f"{one['from']} → {', '.join(one['to'])}"), *one["headers"].items()], indent=3)
    _show_body(one)
    screen.say()
    screen.say("   taken for everybody" if one["failure"] is None else f"   not taken: {screen.safe(one['failure'])}")


def _show_body(one: dict[str, Any]) -> None:
    if not one["body"]:
        return
    screen.say()
    for line in screen.safe_lines(_laid_out(one["body"])).rstrip().split("\n"):
        screen.say(f"   {line}".rstrip())
    if one["cut"]:
        screen.say("   … (the rest is not shown)")


def _laid_out(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text.replace("\r\n", "\n")


def _show_unseen(destination: Destination, tried: Tried) -> None:
    """Show what there is where a plugin asks for nothing over HTTP and sends no mail."""
    from router.secret import Secret
    from router.templates import Template

    screen.say()
    if tried.printed:
        screen.say("It printed:")
        for line in screen.safe_lines(tried.printed.rstrip()).split("\n"):
            screen.say(f"   {line}")
        return
    screen.say("No HTTP request was made and no mail sent: this plugin reaches its destination by itself.")
    settings = destination.settings
    values = [(name, getattr(settings, name)) for name in type(settings).model_fields]
    screen.pairs(
        [
            (name, "<secret>" if isinstance(value, Secret) else str(value))
            for name, value in values
            if not isinstance(value, Template)
        ],
        indent=3,
    )


def _todo(config: Config, destination: Destination, tried: Tried) -> str | None:
    """Return what an operator does about it, None where there is nothing to do."""
    name, status = destination.name, tried.status
    again = f"then: callrouter try {name}"
    match tried.verdict:
        case "delivered":
            return f"correct the template in {config.path}; {again}" if tried.reason else None
        case "paused":
            where = f"mend its address or credentials, at the other side or in {config.path}; {again}"
            return f"{where}. A daemon would send it nothing more until callrouter resume {name}, and lose nothing."
        case "bug":
            return f"mend the plugin; {again}"
        case "dead" if status == 404:
            return f"there is nothing at this address: correct it in {config.path}; {again}"
        case "dead" if status is not None:
            return f"it does not take what was said: compare the request above with its answer; {again}"
        case "again" if status == 429:
            return f"it is told too much at once: give the destination a rate: such as 1/s; {again}"
        case "again" if status is not None and status >= 500:
            return f"the trouble is at the other side. Try again later: callrouter try {name}"
        case "again":
            return f"is its address right, and may this machine connect to it? callrouter doctor looks; {again}"
    return f"see the reason above; {again}"


def _document(destination: Destination, tried: Tried) -> dict[str, Any]:
    event = tried.chosen.decided.event
    return {
        "destination": destination.name,
        "type": destination.plugin.type,
        "event": {"type": event.event_type, "call": event.call_id, "source": event.source},
        "asked": tried.chosen.asker,
        "rule": tried.chosen.rule,
        "verdict": tried.verdict,
        "reason": tried.reason,
        "status": tried.status,
        "again_after": None if tried.again_after is None else round(tried.again_after, 3),
        "seconds": round(tried.seconds, 4),
        "sent": tried.sent,
        "printed": tried.printed,
        "receipt": tried.receipt,
        "bug": tried.bug,
    }
