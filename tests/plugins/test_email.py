"""Mails that people can read, reply to nobody by accident, and see together for each call."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from plugins.email import Email
from router.errors import AnswerLost
from router.outgoing import SmtpMail
from router.plugin import MailServer as Server
from router.secret import Secret
from router.testing import HOSTILE, RecordingHttp, RecordingMail, make_delivery
from tests.harness.mail_server import MailServer
from tests.harness.whole_calls import CALLS, deliveries, ends, tell

SETTINGS = {"server": "mail.example", "sender": "calls@example.com", "to": "sales@example.com"}


def email(mail, **settings):
    return Email(Email.Settings.model_validate({**SETTINGS, **settings}), RecordingHttp(), mail)


def sent(delivery, **settings):
    mail = RecordingMail()
    email(mail, **settings).deliver(delivery)
    return mail.sent[0]


def parts(message):
    return [message.get_body([kind]).get_content().replace("\r\n", "\n") for kind in ("plain", "html")]


def to(server):
    return SmtpMail(resolve=lambda host, port: [(socket.AF_INET, ("127.0.0.1", server.port))])


def test_a_missed_call_reads_at_a_glance_and_can_be_called_back():
    [end] = deliveries("missed", ends)

    message = sent(end).message

    assert message["Subject"] == "📵 Missed call from +44 7700 900123"
    assert (message["From"], message["To"]) == ("calls@example.com", "sales@example.com")
    assert message["Date"].datetime.isoformat() == "2026-03-02T14:05:23+00:00"
    text, html = parts(message)
    assert text == (
        "📵 Missed call from +44 7700 900123\n"
        "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back tel:+447700900123\n"
        "\n-- \ncalls · wavix · 5dccb6b0-f35c-488c-867b-86fb012c4415\n"
    )
    assert (
        "<p><strong>📵 Missed call from +44 7700 900123</strong><br>\n"
        "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back "
        '<a href="tel:+447700900123">+44 7700 900123</a></p>' in html
    )


@pytest.mark.parametrize("call", list(CALLS))
def test_a_whole_call_is_one_thread(call):
    owed = deliveries(call)
    with MailServer() as server:
        tell(email(to(server), tls="none"), owed)

    [thread] = server.threads()
    assert len(thread) == len(owed)


@pytest.mark.parametrize("call", list(CALLS))
def test_the_end_of_a_whole_call_is_one_mail(call):
    with MailServer() as server:
        tell(email(to(server), tls="none"), deliveries(call, ends))

    assert [len(thread) for thread in server.threads()] == [1]


def test_a_mail_sent_again_after_a_lost_answer_is_the_same_mail():
    with MailServer(replies={"DATA": "drop"}) as server:
        tell(email(to(server), tls="none"), deliveries("missed", ends))

    assert len(server.mailbox) == 2
    assert [len(thread) for thread in server.threads()] == [1]


def test_two_calls_are_two_threads():
    one, other = (sent(make_delivery(call={**make_delivery().call, "uuid": uuid})).message for uuid in "ab")

    assert one["References"] != other["References"]


def test_no_holiday_notice_comes_back():
    assert sent(make_delivery()).message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    ("settings", "server"),
    [
        ({}, Server("mail.example", 587, "starttls")),
        ({"tls": "implicit"}, Server("mail.example", 465, "implicit")),
        ({"tls": "none"}, Server("mail.example", 25, "none")),
        ({"port": "2525", "user": "me", "password": "x"}, Server("mail.example", 2525, "starttls", "me", Secret("x"))),
    ],
)
def test_the_mail_goes_to_the_server_named_with_tls_unless_told_otherwise(settings, server):
    assert sent(make_delivery(), **settings).server == server


def test_everybody_named_gets_it():
    mail = sent(make_delivery(), to=["a@example.com", "b@example.com"])

    assert mail.recipients == ("a@example.com", "b@example.com")
    assert mail.message["To"] == "a@example.com, b@example.com"


@pytest.mark.parametrize("text", [*HOSTILE, "\x00\x7f", None])
def test_no_text_of_a_stranger_leaves_its_place(text):
    delivery = make_delivery(event={"tag": text, "from": text}, rule=text)
    delivery = replace(delivery, key="a>\r\nX-Injected: y", call={**delivery.call, "uuid": text or ""})

    mail = sent(delivery, subject="{{ event.tag }}.", text="{{ event.tag }}{{ event.from }}.")

    message = mail.message
    assert "X-Injected" not in message
    assert message.defects == []
    assert mail.body.isascii()
    assert max(map(len, mail.body.split(b"\r\n"))) <= 998
    _, html = parts(message)
    assert "<!channel>" not in html
    assert "\x1b" not in str(parts(message))


def test_a_link_of_a_stranger_is_none_in_html():
    _, html = parts(sent(make_delivery(event={"tag": '<a href="https://evil.example">pay</a>'})).message)

    assert "&lt;a href=&quot;https://evil.example&quot;&gt;" in html


@pytest.mark.parametrize("text", ["{{ event.no_such_field }}", " "])
def test_a_template_that_cannot_be_filled_in_still_tells_people_of_the_call(text):
    message = sent(make_delivery(), subject=text, text=text).message

    assert message["Subject"] == "Missed call from +44 7700 900123 to +44 20 7946 0958, 2 Mar 14:05"
    assert all(message["Subject"] in part for part in parts(message))


def test_a_failure_of_the_server_is_the_failure_of_the_delivery():
    with pytest.raises(AnswerLost):
        email(RecordingMail(AnswerLost("no answer"))).deliver(make_delivery())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"to": "sales"}, "no address of a mailbox"),
        ({"to": "Sales <sales@example.com>"}, "no address of a mailbox"),
        ({"sender": "a@b\r\nRCPT TO:<evil@example.com>"}, "no address of a mailbox"),
        ({"to": []}, "at least 1 item"),
        ({"server": "smtp://mail.example"}, "the name of a mail server"),
        ({"user": "me"}, "belong together"),
        ({"user": "me", "password": "x", "tls": "none"}, "never sent without TLS"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_write(settings, why):
    with pytest.raises(ValueError, match=why):
        Email.Settings.model_validate({**SETTINGS, **settings})
