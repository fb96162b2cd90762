"""Sends a mail for each event, with a text and an HTML part; mail programs show those of one call together."""

from __future__ import annotations

import hashlib
import html
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from router.plugin import HEADLINE, Delivery, MailServer, Plugin, Secret, Settings, Template, Trial, setting, story

#: A subject is read on a telephone, in a list.
MAX_SUBJECT = 200
#: Nobody reads more, and a tag must not fill a mailbox.
MAX_TEXT = 20_000

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}


def _address(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", text):
        raise ValueError(f'"{text}" is no address of a mailbox; write for example sales@example.com')
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", text):
        raise ValueError("this needs the name of a mail server, such as smtp.example.com, without smtp:// and port")
    return text


_Address = Annotated[str, AfterValidator(_address)]


class EmailSettings(Settings):
    """Keys of a ``type: email`` destination."""

    server: Annotated[str, AfterValidator(_host)] = setting(
        "The mail server that takes our mail.", example="smtp.example.com"
    )
    tls: Literal["starttls", "implicit", "none"] = setting(
        "`starttls`: TLS before anything is said. `implicit`: TLS from the first byte. `none`: for this machine's own.",
        default="starttls",
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = setting(
        "Its port. By default 587 with `starttls`, 465 with `implicit`, 25 with `none`.", default=None
    )
    user: str | None = setting("Who logs in, where the server asks for that.", default=None)
    password: Secret | None = setting("The password of that user.", default=None, example="${SMTP_PASSWORD}")
    sender: _Address = setting("Whom the mails come from.", example="calls@example.com")
    to: Annotated[
        tuple[_Address, ...],
        BeforeValidator(lambda to: [to] if isinstance(to, str) else to),
        Field(min_length=1, max_length=50),
    ] = setting("Whom they go to: an address, or a list of them.", example="[sales@example.com, owner@example.com]")
    subject: Template = setting("The subject.", default=HEADLINE)
    text: Template = setting(
        "What the mail says; its HTML part is made from it too. By default how the call stands.", default=story()
    )

    @model_validator(mode="after")
    def _password_is_safe(self) -> EmailSettings:
        if (self.user is None) != (self.password is None):
            raise ValueError("a user and a password belong together")
        if self.password is not None and self.tls == "none":
            raise ValueError("a password is never sent without TLS; remove tls: none, or user and password")
        return self


class Email(Plugin[EmailSettings]):
    """Tells people by mail."""

    type = "email"
    Settings = EmailSettings
    trial = Trial({"user": "calls", "password": "s3cret-password"})
    uses_mail = True
    # People read a thread from top to bottom.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        chosen = self.settings
        port = chosen.port or _PORTS[chosen.tls]
        server = MailServer(chosen.server, port, chosen.tls, chosen.user, chosen.password)
        self.mail.send(server, chosen.sender, chosen.to, self._mail_of(delivery).as_bytes())

    def _mail_of(self, delivery: Delivery) -> EmailMessage:
        # Any server takes seven bits.
        message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        subject = _one_line(delivery.render(self.settings.subject))
        message["Subject"] = subject if len(subject) <= MAX_SUBJECT else subject[: MAX_SUBJECT - 1] + "…"
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self.settings.to)
        message["Date"] = format_datetime(datetime.fromtimestamp(delivery.accepted_at, UTC))
        thread, domain = _thread(delivery), self.settings.sender.rpartition("@")[2]
        # The same over all attempts: a mailbox that has this mail already need not show it again.
        message["Message-ID"] = f"<{re.sub('[^A-Za-z0-9-]', '', delivery.key)}.{thread}@{domain}>"
        # The mails of a call are answers to one that was never sent, and so stand together.
        message["In-Reply-To"] = message["References"] = f"<{thread}@{domain}>"
        # No holiday notice comes back: RFC 3834.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{self._text(delivery)}\n\n-- \n{_one_line(delivery.small_print())}\n")
        message.add_alternative(self._html(delivery), subtype="html")
        return message

    def _text(self, delivery: Delivery) -> str:
        return _sendable(delivery.render(self.settings.text).strip()[:MAX_TEXT])

    def _html(self, delivery: Delivery) -> str:
        text = delivery.render(self.settings.text, _escape, link=_link).strip()
        if len(text) > MAX_TEXT:  # cut before it is escaped, or half a tag may stay
            text = _escape(self._text(delivery))
        headline, *lines = text.splitlines() or [""]
        body = "".join(f"<br>\n{line}" for line in lines)
        small_print = delivery.small_print(_escape)
        return (
            f'<!DOCTYPE html>\n<html><body style="font-family: sans-serif">\n<p><strong>{headline}</strong>{body}</p>\n'
            f'<p style="color: #666; font-size: small">{small_print}</p>\n</body></html>\n'
        )


def _thread(delivery: Delivery) -> str:
    """Return what all mails of a call have in common; a stranger's id must not be written into a header."""
    call = f"{delivery.call['source']}\n{delivery.call['uuid']}"
    return hashlib.sha256(call.encode("utf-8", "replace")).hexdigest()[:32]


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _sendable(text: str) -> str:
    """Take out what no mail may have: controls, and halves of characters."""
    return "".join(char for char in text if char.isprintable() or char in "\n\t")


def _escape(value: Any) -> str:
    return html.escape(_sendable(str(value)))


def _link(address: str, words: str) -> str:
    return f'<a href="{_escape(address)}">{_escape(words)}</a>'
