"""A real mail server on loopback (aiosmtpd), whose every reply a test can choose."""

from __future__ import annotations

import asyncio
import ssl
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "calls", "s3cret-password"


class MailServer:
    """Takes mail. *replies* has what is answered to ``MAIL``, ``RCPT address`` and ``DATA`` in place of yes.

    The reply ``drop`` closes the connection without one, ``hang`` never comes; both after the mail has arrived.
    """

    def __init__(
        self,
        *,
        starttls: ssl.SSLContext | None = None,
        implicit: ssl.SSLContext | None = None,
        login: bool = False,
        replies: dict[str, str] | None = None,
    ) -> None:
        self.replies = replies or {}
        #: How many mails were refused at their sender.
        self.refusals = 0
        self.mailbox: list[tuple[list[str], EmailMessage]] = []
        more: dict[str, Any] = {"tls_context": starttls, "require_starttls": starttls is not None}
        if login:
            more |= {"authenticator": _authenticate, "auth_required": True, "auth_require_tls": implicit is None}
        self._loop = asyncio.new_event_loop()
        self._conversations: list[SMTP] = []

        def conversation() -> SMTP:
            self._conversations.append(SMTP(self, hostname="mail.example", loop=self._loop, **more))
            return self._conversations[-1]

        listening = self._loop.create_server(conversation, "127.0.0.1", 0, ssl=implicit)
        self._server = self._loop.run_until_complete(listening)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> MailServer:
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stopped(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stopped(self) -> None:
        self._server.close()
        for each in self._conversations:
            if each.transport is not None:
                each.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def threads(self) -> list[list[EmailMessage]]:
        """The mails as a mail program shows them: those with one Message-ID once, those with one reference together."""
        found: dict[str, dict[str, EmailMessage]] = {}
        for _, mail in self.mailbox:
            found.setdefault(str(mail["References"]), {})[str(mail["Message-ID"])] = mail
        return [[*mails.values()] for mails in found.values()]

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - the server calls it so
        envelope.mail_from = address
        self.refusals += "MAIL" in self.replies
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - the server calls it so
        envelope.rcpt_tos.append(address)
        return self.replies.get(f"RCPT {address}", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the server calls it so
        reply = self.replies.get("DATA", "250 OK")
        if reply[0] not in "45":
            self.mailbox.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
        if reply == "drop":
            self.replies.pop("DATA")
            server.transport.abort()
        if reply == "hang":
            await asyncio.Event().wait()
        return reply


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)
