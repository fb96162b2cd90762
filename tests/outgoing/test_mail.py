"""Mail that leaves, to a real server: what arrives, and what each of its replies means."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
from types import SimpleNamespace

import pytest

from router.errors import AnswerLost, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.outgoing import SmtpMail
from router.plugin import MailServer as Server
from router.secret import Secret
from tests.harness.mail_server import PASSWORD, USER, MailServer

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl program makes the certificates")

MAIL = b"Subject: Missed call\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n.dot\r\n"


@pytest.fixture
def context(authority):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(authority.certificate, authority.key)
    return made


def at(listener):
    return SimpleNamespace(port=listener.getsockname()[1])


def send(server, *, ca=None, tls="none", to=("a@example.com",), host="mail.example", password=None, **settings):
    way = SmtpMail(ca=ca, resolve=lambda name, port: [(socket.AF_INET, ("127.0.0.1", server.port))],
                   **{"timeout": 20.0, **settings})  # fmt: skip
    user = USER if password else None
    way.send(Server(host, 25, tls, user, password and Secret(password)), "calls@example.com", to, MAIL)


def test_a_mail_arrives_whole_at_everybody():
    with MailServer() as server:
        send(server, to=("a@example.com", "b@example.com"))

    [(recipients, mail)] = server.mailbox
    assert recipients == ["a@example.com", "b@example.com"]
    assert (mail["Subject"], mail.get_content().split()) == ("Missed call", ["hello", ".dot"])


def test_starttls_hides_the_conversation_and_the_login(context, authority):
    with MailServer(starttls=context, login=True) as server:
        send(server, tls="starttls", ca=authority.certificate, password=PASSWORD)

    assert len(server.mailbox) == 1


# The server does not know of the TLS around it.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_implicit_tls_speaks_nothing_else(context, authority):
    with MailServer(implicit=context, login=True) as server:
        send(server, tls="implicit", ca=authority.certificate, password=PASSWORD)

    assert len(server.mailbox) == 1


def test_a_server_without_starttls_gets_nothing():
    with MailServer() as server, pytest.raises(TemporaryFailure, match="does not offer STARTTLS"):
        send(server, tls="starttls")

    assert server.mailbox == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(("host", "trusted"), [("mail.example", False), ("other.example", True)])
def test_a_certificate_that_does_not_vouch_for_the_server_is_refused(context, authority, tls, host, trusted):
    ca = authority.certificate if trusted else None
    with (
        MailServer(**{tls: context}) as server,
        pytest.raises(TemporaryFailure, match=rf"no secure connection to {host}: .+; nothing was sent"),
    ):
        send(server, tls=tls, ca=ca, host=host)

    assert server.mailbox == []


def test_a_wrong_password_pauses_the_destination_and_is_never_shown(context, authority):
    with (
        MailServer(starttls=context, login=True) as server,
        pytest.raises(DestinationUnusable, match="535") as caught,
    ):
        send(server, tls="starttls", ca=authority.certificate, password="wr0ng-password")

    assert "wr0ng" not in repr(caught.value) + repr(caught.value.__context__)
    assert server.mailbox == []


def test_a_server_that_wants_a_login_and_gets_none_pauses_the_destination(context, authority):
    with MailServer(starttls=context, login=True) as server, pytest.raises(DestinationUnusable, match="530"):
        send(server, tls="starttls", ca=authority.certificate)


def test_a_server_that_knows_no_login_pauses_the_destination(context, authority):
    with MailServer(implicit=context) as server, pytest.raises(DestinationUnusable, match="no way to log in"):
        send(server, tls="implicit", ca=authority.certificate, password=PASSWORD)


@pytest.mark.parametrize(
    ("command", "reply", "failure"),
    [
        ("MAIL", "421 4.3.2 closing", TemporaryFailure),
        ("MAIL", "451 4.7.1 later", TemporaryFailure),
        ("MAIL", "550 5.7.1 not you", DestinationUnusable),
        ("RCPT b@example.com", "450 4.2.0 greylisted", TemporaryFailure),
        ("RCPT b@example.com", "452 4.2.2 full", TemporaryFailure),
        ("RCPT b@example.com", "550 5.1.1 no such user", DestinationUnusable),
        ("DATA", "421 4.3.2 closing", TemporaryFailure),
        ("DATA", "452 4.3.1 disk full", TemporaryFailure),
        ("DATA", "552 5.2.3 too long", PermanentFailure),
        ("DATA", "554 5.7.1 looks like spam", PermanentFailure),
    ],
)
def test_each_reply_is_a_failure_of_its_class_and_nobody_got_the_mail(command, reply, failure):
    with MailServer(replies={command: reply}) as server, pytest.raises(failure, match=reply[4:]) as caught:
        send(server, to=("a@example.com", "b@example.com"))

    assert type(caught.value) is failure
    assert caught.value.status == int(reply[:3])
    assert server.mailbox == []


def test_a_connection_lost_after_the_mail_leaves_the_answer_unknown():
    with MailServer(replies={"DATA": "drop"}) as server, pytest.raises(AnswerLost, match="closed the connection"):
        send(server)


def test_an_answer_that_takes_too_long_is_unknown_as_well():
    with MailServer(replies={"DATA": "hang"}) as server, pytest.raises(AnswerLost, match=r"within 0\.3s"):
        send(server, timeout=0.3)


def test_the_time_limit_covers_a_server_that_says_nothing():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TemporaryFailure, match=r"within 0\.2s; nothing was sent"),
    ):
        send(at(silent), timeout=0.2)


def test_the_time_limit_covers_the_handshake():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TemporaryFailure, match="nothing was sent"):
        send(at(silent), tls="implicit", timeout=0.2)


@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_the_time_limit_covers_a_server_that_never_comes_to_an_end(context, authority, tls):
    over = threading.Event()

    def talk(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection:
            if tls == "implicit":
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                while not over.wait(0.02):
                    connection.sendall(b"220-welcome\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        talking = threading.Thread(target=talk, args=(listener,))
        talking.start()
        watch = threading.Timer(15, over.set)
        watch.start()
        with pytest.raises(TemporaryFailure, match=r"within 0\.5s; nothing was sent"):
            send(at(listener), tls=tls, ca=authority.certificate, timeout=0.5)
        over.set()
        watch.cancel()
        talking.join(10)


def test_nobody_listening_is_temporary():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = at(listener)
    with pytest.raises(TemporaryFailure, match=r"cannot connect to mail\.example"):
        send(gone)


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1"])
def test_no_mail_goes_to_an_address_that_is_refused(address):
    way = SmtpMail(allow_private=False, resolve=lambda host, port: [(socket.AF_INET, (address, port))])

    with pytest.raises(PermanentFailure, match="nothing was sent"):
        way.send(Server("mail.example", 25, "none"), "a@example.com", ["b@example.com"], MAIL)


def test_a_proxy_is_refused_and_not_gone_past():
    with pytest.raises(DestinationUnusable, match="proxy: is for HTTP"):
        SmtpMail(proxy=Secret("http://proxy.example:3128"))
