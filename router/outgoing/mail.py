"""``Mail`` for plugins, over smtplib: one connection for each mail, on the same guarded sockets as HTTP."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from router.errors import AnswerLost, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.outgoing.answers import excerpt
from router.outgoing.connection import Exchange
from router.outgoing.lookup import Resolve, resolve
from router.outgoing.redaction import Redaction, secrets_in
from router.outgoing.tls import Pair, tls_context
from router.plugin import MailServer
from router.secret import Secret

#: What a server says of a password it does not take, or of one it wants: RFC 4954, 6.
_CREDENTIALS = {530, 534, 535, 538}


class SmtpMail:
    """Sends mail of one destination from one thread.

    *timeout* is the time limit of the whole exchange, from looking up the name to the server's last word. *ca* takes
    the place of the public certificate authorities; *certificate* is shown to a server that asks for one.
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        allow_private: bool = True,
        ca: Path | None = None,
        certificate: Pair | None = None,
        proxy: Secret | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        if proxy:
            raise DestinationUnusable("proxy: is for HTTP, and mail would go past it; remove the key")
        self._timeout = timeout
        self._exchange = Exchange(allow_private=allow_private, keep_idle=0.0, resolve=resolve)
        self._context = tls_context(ca, certificate)

    def send(self, server: MailServer, sender: str, recipients: Sequence[str], message: bytes) -> None:
        # Raised outside of every `except`, so that no exception of smtplib's, with a server's words in it, follows.
        failure = self._sent(server, sender, recipients, message)
        if failure is not None:
            failure.reason = Redaction(secrets_in(server.password))(failure.reason)
            failure.args = (failure.reason,)
            raise failure

    def _sent(
        self, server: MailServer, sender: str, recipients: Sequence[str], message: bytes
    ) -> DeliveryFailed | None:
        self._exchange.begin(self._timeout)
        conversation = _Conversation(server, self._exchange, self._context)
        try:
            conversation.begin()
            conversation.hand_over(sender, recipients, message)
        except DeliveryFailed as ex:
            return ex
        except smtplib.SMTPResponseException as ex:
            return _refused(server, ex.smtp_code, ex.smtp_error, "the connection")
        except (smtplib.SMTPException, OSError, ValueError) as ex:
            return self._broken(server, ex, sent=conversation.sent)
        finally:
            conversation.end()
        return None

    def _broken(self, server: MailServer, ex: Exception, *, sent: bool) -> DeliveryFailed:
        # smtplib puts an exception of its own in front of the socket's.
        slow = isinstance(ex, TimeoutError) or isinstance(ex.__context__, TimeoutError)
        if sent:
            what = f"did not answer within {self._timeout:g}s" if slow else "closed the connection without an answer"
            return AnswerLost(f"{server.host} {what}; whether it accepted the mail is not known")
        if isinstance(ex, ssl.SSLError):
            why = getattr(ex, "verify_message", "") or (ex.reason or "the handshake failed").replace("_", " ").lower()
            return TemporaryFailure(f"no secure connection to {server.host}: {why}; nothing was sent")
        what = f"did not get ready within {self._timeout:g}s" if slow else "broke off the conversation"
        return TemporaryFailure(f"{server.host} {what}; nothing was sent")


class _Conversation(smtplib.SMTP):
    """One conversation, whose socket comes from an Exchange and keeps its deadline."""

    def __init__(self, server: MailServer, exchange: Exchange, context: ssl.SSLContext) -> None:
        self._server = server
        self._exchange = exchange
        self._context = context
        #: True from the moment the whole mail may have arrived.
        self.sent = False
        name = socket.gethostname()
        super().__init__(local_hostname=name if "." in name else "[127.0.0.1]")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - smtplib's signature
        sock = self._exchange.connect(host, port, guarded=True)
        return self._secured(sock) if self._server.tls == "implicit" else sock

    def _secured(self, sock: socket.socket) -> socket.socket:
        secure = self._context.wrap_socket(sock, server_hostname=self._server.host)
        secure.exchange = self._exchange  # type: ignore[attr-defined]  # the context makes sockets of our class
        return secure

    def begin(self) -> None:
        """Connect, begin TLS and log in, as the server's settings want it; raises what failed."""
        server = self._server
        code, said = self.connect(server.host, server.port)
        if code != 220:
            raise _refused(server, code, said, "the connection")
        self.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            self._begin_tls()
        if server.user is None or server.password is None:
            return
        try:
            self.login(server.user, server.password.reveal())
        except smtplib.SMTPResponseException as ex:
            failure = _refused(server, ex.smtp_code, ex.smtp_error, "the user and password")
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException:
            failure = DestinationUnusable(f"{server.host} offers no way to log in that we know; nothing was sent")
        else:
            return
        raise failure

    def _begin_tls(self) -> None:
        if not self.has_extn("starttls"):
            raise TemporaryFailure(f"{self._server.host} does not offer STARTTLS, so nothing was sent; check tls:")
        code, said = self.docmd("STARTTLS")
        if code != 220:
            raise _refused(self._server, code, said, "STARTTLS")
        self.sock = self._secured(self.sock)  # type: ignore[arg-type]  # there is one, we have just spoken through it
        self.file = None
        # RFC 3207: what was said before TLS counts for nothing.
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features, self.does_esmtp = {}, False
        self.ehlo()

    def hand_over(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """Hand over the mail for all *recipients*, or for none of them; raises what failed."""
        self._ask(f"MAIL FROM:<{sender}>", f"the sender {sender}", self._unusable)
        for recipient in recipients:
            self._ask(f"RCPT TO:<{recipient}>", f"the recipient {recipient}", self._unusable)
        self._ask("DATA", "the mail")
        self.sent = True
        self.send(re.sub(rb"(?m)^\.", b"..", message).removesuffix(b"\r\n") + b"\r\n.\r\n")
        code, said = self.getreply()
        if not 200 <= code < 300:
            raise _refused(self._server, code, said, "the mail")

    def _unusable(self, failure: DeliveryFailed) -> DeliveryFailed:
        """An address that is refused for good is for an operator to correct; meanwhile no news is lost."""
        if isinstance(failure, PermanentFailure):
            return DestinationUnusable(f"{failure.reason}; nothing was sent to anybody", status=failure.status)
        return failure

    def _ask(
        self, command: str, what: str, judge: Callable[[DeliveryFailed], DeliveryFailed] = lambda failure: failure
    ) -> None:
        code, said = self.docmd(command)
        if not 200 <= code < 400:
            raise judge(_refused(self._server, code, said, what))

    def end(self) -> None:
        """Say goodbye, whatever comes of it."""
        with suppress(smtplib.SMTPException, OSError, ValueError):
            self.docmd("QUIT")
        self.close()


def _refused(server: MailServer, code: int, said: bytes | str, what: str) -> DeliveryFailed:
    """Return the failure that the reply *code* stands for: RFC 5321, 4.2.1."""
    redact = Redaction(secrets_in(server.password))
    words = excerpt(said if isinstance(said, bytes) else said.encode(), redact)
    reason = f"{server.host} refused {what}: {code} {words}".rstrip()
    if code in _CREDENTIALS:
        return DestinationUnusable(reason, status=code)
    if 500 <= code < 600:
        return PermanentFailure(reason, status=code)
    return TemporaryFailure(reason, status=code)
