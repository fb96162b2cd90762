"""A sender process of its own for the tests, with plugins that do as their destination is called."""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from datetime import UTC
from pathlib import Path

from router.config.model import Address, Config, Destination
from router.errors import TemporaryFailure
from router.location import SqliteAt
from router.matching import Condition
from router.plugin import Delivery, Plugin, Secret, Settings, Template, setting
from router.reload.link import Link
from router.retry import RetryPolicy
from router.routes import Routes, Rule
from router.sender import Share
from router.sender.process import run


class TestSettings(Settings):
    folder: str = setting("Where the plugin leaves its marks.")
    token: Secret = setting("Never to be shown.")
    text: Template = setting("What it says.", default=Template("usual {{ event.event_type }}"))


class ByName(Plugin[TestSettings]):
    """fast: delivers. saying: says its text. stuck: waits for the file ``go``. failing, buggy, exiting: end so."""

    type = "by-name"
    Settings = TestSettings

    def deliver(self, delivery: Delivery):
        match delivery.destination.partition("-")[0]:
            case "stuck":
                folder = Path(self.settings.folder)
                (folder / f"begun-{delivery.key}").touch()
                while not (folder / "go").exists():
                    time.sleep(0.005)  # between two looks for the file that lets this attempt end
            case "saying":
                return {"text": delivery.render(self.settings.text)}
            case "failing":
                raise TemporaryFailure(f"no luck with {self.settings.token.reveal()}", status=503, retry_after=9.0)
            case "buggy":
                return {}[self.settings.token.reveal()]
            case "exiting":
                sys.exit(3)
        return {"event": delivery.event["event_type"], "first": delivery.facts["first"]}


class Several(ByName):
    """Takes five at once."""

    type = "several"
    batch_size = 5

    def deliver(self, delivery: Delivery):
        return {"together": 1}

    def deliver_many(self, deliveries):
        return [{"together": len(deliveries)}] * len(deliveries)


class Broken(ByName):
    """Cannot even be made."""

    type = "broken"

    def __init__(self, settings, http):
        raise RuntimeError("cannot be made")


def destination(name: str, concurrency: int, folder: str) -> Destination:
    return Destination(
        name=name,
        plugin={"broken": Broken, "several": Several}.get(name, ByName),
        settings=TestSettings(folder=folder, token="s3cret-token"),
        fingerprint="",
        disabled="enabled: false" if name == "disabled" else None,
        retry=RetryPolicy(),
        order="none",
        concurrency=concurrency,
    )


def own_text(folder: str) -> TestSettings:
    return TestSettings(folder=folder, token="s3cret-token", text="own {{ event.no_such_field }}")


def main() -> int:
    arguments = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.DEBUG)
    here = Path(arguments["folder"])
    config = Config(
        path=here / "config.yaml",
        version="1",
        listen=Address("127.0.0.1", 0),
        admin=Address("127.0.0.1", 0),
        store=SqliteAt(here),
        data=here,
        timezone=UTC,
        region=None,
        own_numbers=frozenset(),
        trusted_proxies=(),
        sources={},
        destinations={name: destination(name, count, str(here)) for name, count in arguments["to"].items()},
        routes=Routes([Rule("vip", Condition(()), ("saying",), overrides={"saying": own_text(str(here))})]),
    )
    sock = socket.socket(fileno=arguments["fd"])
    reload = Link(socket.socket(fileno=arguments["reload"]))
    return run(config, sock, Share(*arguments["share"]), reload=reload, grace=arguments["grace"])


if __name__ == "__main__":
    sys.exit(main())
