"""Tells any of the 170 services that Apprise knows: https://appriseit.com/services.

Apprise connects by itself. It is an optional extra, and loaded only where a destination uses it.
"""

from __future__ import annotations

import importlib
import logging
from typing import Annotated, Any

from pydantic import AfterValidator

from router.plugin import (
    AnswerLost,
    Delivery,
    DestinationUnusable,
    Http,
    Plugin,
    Secret,
    Settings,
    Template,
    TemporaryFailure,
    Trial,
    setting,
    story,
)

#: Seconds for one notification, from the name to the answer.
TIMEOUT = 30.0
#: Much more than this is cut by most services, each in its own way.
MAX_TITLE = 200
MAX_BODY = 4000
#: As in ``apprise.AppriseResultStatus``.
_TIMED_OUT = 5

_MISSING = "Apprise is not installed; install it where callrouter is: pip install 'apprise>=2.2,<3'"


def _library() -> Any:
    library = importlib.import_module("apprise")
    # It may log addresses, which are secrets; what failed is in the reason of the attempt.
    logging.getLogger("apprise").propagate = False
    return library


def _known_address(url: Secret) -> Secret:
    try:
        service = _library().Apprise.instantiate(url.reveal(), suppress_exceptions=True)
    except ImportError:
        raise ValueError(_MISSING) from None
    if service is None:
        raise ValueError("Apprise knows no service with such an address; https://appriseit.com/services lists them")
    return url


class AppriseSettings(Settings):
    """Keys of a ``type: apprise`` destination."""

    url: Annotated[Secret, AfterValidator(_known_address)] = setting(
        "The address of one service, as Apprise writes it. It is never shown.", example="ntfy://calls-of-my-office"
    )
    text: Template = setting(
        "What is said; its first line is the title. By default how the call stands.",
        default=story(),
        example="Missed call from {{ event.from | phone }}",
    )


class Apprise(Plugin[AppriseSettings]):
    """Tells people through a service that has no plugin of its own."""

    type = "apprise"
    Settings = AppriseSettings
    trial = Trial({"url": "json://calls:s3cret-password@127.0.0.1:9/s3cret-path"})
    # People read what comes from top to bottom.
    order = "call"

    def __init__(self, settings: AppriseSettings, http: Http) -> None:
        super().__init__(settings, http)
        self._service: Any = None

    def deliver(self, delivery: Delivery) -> None:
        title, body = _parts(delivery.render(self.settings.text, _printable, link=_link))
        words: list[str] = []
        result = self._made().notify(
            title=title,
            body=body,
            body_format="text",
            interpret_escapes=False,
            timeout=TIMEOUT,
            log_callback=lambda entry, _service: words.append(entry.message),
            log_level=logging.WARNING,
        )
        if result:
            return
        if int(result.status) == _TIMED_OUT:
            raise AnswerLost(
                f"the service did not answer Apprise within {TIMEOUT:g}s; whether it was told is not known"
            )
        # Apprise does not tell what will pass from what will not.
        said = f": {words[-1]}" if words else ""
        raise TemporaryFailure(f"Apprise could not tell the service{said}")

    def _made(self) -> Any:
        if self._service is None:
            try:
                library = _library()
            except ImportError:
                library = None
            if library is None:
                raise DestinationUnusable(_MISSING)
            self._service = library.Apprise(library.Apprise.instantiate(self.settings.url.reveal()))
        return self._service


def _parts(text: str) -> tuple[str, str]:
    """Return title and body; some services take no empty body, so a single line is both."""
    title, _, body = text.strip().partition("\n")
    cut = title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1] + "…"
    return cut, (body.strip() or title)[:MAX_BODY]


def _printable(value: Any) -> str:
    """Leave one line: each service gets it as text, and Apprise escapes it for those that show HTML or Markdown."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(value)).split())


def _link(address: str, words: str) -> str:
    number = address.removeprefix("tel:")
    return number if "".join(filter(str.isdigit, words)) == number.lstrip("+") else f"{_printable(words)} {number}"
