"""How the http plugin proves itself: to servers that check, and with tokens from a server that gives them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import shutil
import threading
from contextlib import closing

import pytest

from plugins.http import Http
from router import signature
from router.access import MARGIN, REFUSED_FOR, Access
from router.config.model import Destination
from router.errors import DeliveryFailed, DestinationUnusable, TemporaryFailure
from router.outgoing import RequestsHttp
from router.plugin import Secret, Url
from router.retry import RetryPolicy
from router.sender.attempt import Attempts
from router.testing import make_delivery
from tests.harness.authority import Authority
from tests.harness.recording import Recorder, Reply
from tests.harness.tokens import CLIENT, SECRET, Tokens
from tests.harness.vendor import reply
from tests.sender.conftest import make_job

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(b"x" * 32).decode()


def settings_of(tokens: Tokens, **oauth2):
    said = {"token_url": tokens.token_url, "client_id": CLIENT, "client_secret": SECRET, **oauth2}
    return Http.Settings.model_validate({"url": tokens.url, "auth": {"oauth2": said}})


def plugin_for(tokens: Tokens, http=None, **oauth2) -> Http:
    return Http(settings_of(tokens, **oauth2), http or RequestsHttp(timeout=10))


@pytest.fixture(autouse=True)
def no_token_of_an_earlier_test():
    """A port may come again, and with it the address that a token was got from."""
    Access._all.clear()


@pytest.fixture
def tokens():
    with closing(Tokens()) as server:
        yield server


def received(event=None, **settings):
    """What a real receiver is sent."""
    with Recorder() as receiver:
        made = Http.Settings.model_validate({"url": receiver.url, **settings})
        Http(made, RequestsHttp(timeout=10)).deliver(make_delivery(key="k1", event=event))
        return receiver.requests[0]


def test_user_and_password_are_basic_credentials():
    sent = received(auth={"basic": {"user": "me", "password": "pä:ss"}})

    scheme, _, pair = sent.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair).decode()) == ("Basic", "me:pä:ss")


def test_user_and_password_may_stand_in_the_address():
    with Recorder() as receiver:
        url = receiver.url.replace("//", "//me:p%40ss@")
        Http(Http.Settings.model_validate({"url": url}), RequestsHttp(timeout=10)).deliver(make_delivery())

        assert receiver.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()


def test_a_token_that_does_not_expire_is_a_bearer():
    assert received(auth={"bearer": "t0ken"}).headers["authorization"] == "Bearer t0ken"


def hexed(key: bytes, text: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(key, text, getattr(hashlib, algorithm)).hexdigest()


def test_a_signature_as_github_makes_it():
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    sent = received(auth={"hmac": {"header": "X-Hub-Signature-256", "secret": "s3cret", "prefix": "sha256="}})

    assert sent.headers["x-hub-signature-256"] == "sha256=" + hexed(b"s3cret", sent.body)


def test_a_signature_as_stripe_makes_it():
    # https://docs.stripe.com/webhooks#verify-manually
    keys = {"header": "Stripe-Signature", "prefix": "t={{ timestamp }},v1=", "signs": "{{ timestamp }}.{{ body }}"}
    sent = received(auth={"hmac": {**keys, "secret": "s3cret"}})

    parts = dict(part.split("=") for part in sent.headers["stripe-signature"].split(","))
    assert parts["t"] == sent.headers["webhook-timestamp"]
    assert parts["v1"] == hexed(b"s3cret", parts["t"].encode() + b"." + sent.body)


def test_a_signature_as_slack_makes_it():
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    keys = {"header": "X-Slack-Signature", "prefix": "v0=", "signs": "v0:{{ timestamp }}:{{body}}"}
    sent = received(auth={"hmac": {**keys, "timestamp_header": "X-Slack-Request-Timestamp", "secret": "s3cret"}})

    moment = sent.headers["x-slack-request-timestamp"]
    assert sent.headers["x-slack-signature"] == "v0=" + hexed(b"s3cret", f"v0:{moment}:".encode() + sent.body)


def test_a_signature_in_base64_with_another_hash_beside_a_token():
    keys = {"header": "X-Hmac", "algorithm": "sha512", "encoding": "base64", "signs": "{{ id }}{{ body }}"}
    auth = {"bearer": "t0ken", "hmac": {**keys, "secret": "s3cret"}}
    sent = received({"tag": "{{ timestamp }}"}, auth=auth, body='{"tag": "{{ event.tag }}"}')

    assert sent.json() == {"tag": "{{ timestamp }}"}
    made = base64.b64decode(sent.headers["x-hmac"]).hex()
    assert made == hexed(b"s3cret", b"k1" + sent.body, "sha512")
    assert sent.headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("known", [OLD, NEW])
def test_a_receiver_that_knows_either_of_two_signing_secrets_is_convinced(known):
    sent = received(secret=[NEW, OLD])

    identifier, moment, made = (sent.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    assert signature.verify([Secret(known)], identifier, moment, made, sent.body)
    assert not signature.verify([Secret(known)], identifier, moment, made, sent.body + b" ")


@pytest.mark.parametrize(("where", "by"), [("header", "Basic"), ("body", "body")])
def test_a_token_is_fetched_with_the_credentials_where_the_server_wants_them(tokens, where, by):
    plugin_for(tokens, credentials_in=where).deliver(make_delivery())

    assert tokens.asked == [{"grant_type": "client_credentials", "by": by}]
    assert len(tokens.taken) == 1


def test_what_a_token_is_for_is_said_to_who_gives_it(tokens):
    more = {
        "scope": ["calls.write", "calls.read"],
        "audience": "crm",
        "fields": {"resource": "https://crm.example/a?b"},
    }

    plugin_for(tokens, **more).deliver(make_delivery())

    [asked] = tokens.asked
    assert (asked["scope"], asked["audience"]) == ("calls.write calls.read", "crm")
    assert asked["resource"] == "https://crm.example/a?b"


def test_one_token_serves_all_deliveries_of_all_threads():
    ready = threading.Barrier(12)

    with closing(Tokens(pause=0.2)) as tokens:

        def deliver():
            made = plugin_for(tokens)
            ready.wait(10)
            for _ in range(3):
                made.deliver(make_delivery())

        threads = [threading.Thread(target=deliver) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert len(tokens.taken) == 36
        assert len(tokens.asked) == 1


def test_other_credentials_or_another_scope_get_a_token_of_their_own(tokens):
    for scope in ("a", "b", "a"):
        plugin_for(tokens, scope=scope).deliver(make_delivery())

    assert [asked["scope"] for asked in tokens.asked] == ["a", "b"]


@pytest.mark.parametrize(("lasts", "fetched"), [(0, 3), ("0", 3), (3600, 1), ("3600", 1), (None, 1), ("soon", 1)])
def test_a_token_is_kept_for_as_long_as_its_server_says(lasts, fetched):
    with closing(Tokens(lasts=lasts)) as tokens:
        for _ in range(3):
            plugin_for(tokens).deliver(make_delivery())

        assert len(tokens.asked) == fetched


def test_a_new_token_is_fetched_shortly_before_the_old_one_ends(tokens, monkeypatch):
    clock = [0.0]
    access = Access(lambda: clock[0])
    monkeypatch.setattr(Access, "of", lambda _: access)
    made = plugin_for(tokens)

    for clock[0] in (0.0, 3600 - MARGIN - 1, 3600 - MARGIN):
        made.deliver(make_delivery())

    assert len(tokens.asked) == 2


def test_after_a_401_a_new_token_is_fetched_once_and_the_request_made_again(tokens):
    made = plugin_for(tokens)
    made.deliver(make_delivery())
    tokens.expire()

    made.deliver(make_delivery(key="k2"))

    assert len(tokens.asked) == 2
    assert [one.headers["webhook-id"] for one in tokens.taken] == ["2f1c7c52", "k2"]


def test_threads_whose_token_is_refused_together_fetch_one_new_token(tokens):
    made = [plugin_for(tokens) for _ in range(8)]
    for one in made:
        one.deliver(make_delivery())
    tokens.expire()

    threads = [threading.Thread(target=one.deliver, args=(make_delivery(),)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(tokens.taken) == 16
    assert len(tokens.asked) == 2


def test_a_receiver_that_refuses_the_new_token_too_pauses_the_destination(tokens):
    tokens.verdict = reply(401, {"error": "not for you"})

    with pytest.raises(DestinationUnusable, match="401 Unauthorized"):
        plugin_for(tokens).deliver(make_delivery())

    assert (len(tokens.asked), tokens.tried) == (2, 2)


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [
        (reply(400, {"error": "invalid_client"}), DestinationUnusable),
        (reply(401, {"error": "invalid_client"}), DestinationUnusable),
        (reply(500), TemporaryFailure),
        (reply(429, Retry_After="9"), TemporaryFailure),
        (Reply(lost=True), TemporaryFailure),
    ],
)
def test_without_a_token_nothing_is_sent_and_the_failure_is_that_of_the_server_of_tokens(tokens, refusal, failure):
    tokens.refusal = refusal

    for _ in range(2):
        with pytest.raises(failure) as caught:
            plugin_for(tokens).deliver(make_delivery())

    assert caught.value.reason.startswith(("no access token: 127.0.0.1", "the credentials are refused: 127.0.0.1"))
    assert getattr(caught.value, "retry_after", None) is None or caught.value.retry_after <= REFUSED_FOR
    assert (tokens.tried, len(tokens.asked)) == (0, 1)


def test_no_answer_of_the_operators_makes_a_refused_token_a_delivery(tokens):
    tokens.refusal = reply(400, {"error": "invalid_client"})

    with pytest.raises(DestinationUnusable):
        plugin_for(tokens, RequestsHttp(timeout=10, answers={400: "done"})).deliver(make_delivery())


def test_a_destination_that_takes_a_202_alone_still_gets_its_token(tokens):
    tokens.verdict = Reply(202)
    only = dict.fromkeys(range(200, 300), "dead") | {202: "done"}

    plugin_for(tokens, RequestsHttp(timeout=10, answers=only)).deliver(make_delivery())

    assert len(tokens.taken) == 1


def test_the_address_of_tokens_passes_the_same_guard(tokens):
    with pytest.raises(DestinationUnusable, match=r"no access token: nothing was sent to 169\.254\.169\.254"):
        plugin_for(tokens, token_url="http://169.254.169.254/token").deliver(make_delivery())


def test_the_time_limit_holds_for_who_gives_tokens():
    with closing(Tokens(pause=5)) as tokens, pytest.raises(TemporaryFailure, match="did not answer within"):
        plugin_for(tokens, RequestsHttp(timeout=0.3)).deliver(make_delivery())


def test_tokens_are_fetched_through_the_proxy_of_the_destination():
    with closing(Tokens()) as tokens, Recorder(tokens._take) as proxy:
        made = plugin_for(tokens, RequestsHttp(timeout=10, proxy=Secret(proxy.url)))
        made.deliver(make_delivery())

        assert [one.path for one in proxy.requests] == [tokens.token_url, tokens.url]


def test_who_gives_tokens_and_who_takes_calls_are_shown_the_same_certificate(tokens, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("the openssl program makes the certificates")
    authority = Authority(tmp_path)
    listener = tokens._recorder._server
    listener.socket = authority.server(asks_for_certificate=True).wrap_socket(listener.socket, server_side=True)
    url, token_url = (one.replace("http://127.0.0.1", "https://localhost") for one in (tokens.url, tokens.token_url))
    made = settings_of(tokens, token_url=token_url).model_copy(update={"url": Url(url)})

    with pytest.raises(DeliveryFailed):
        Http(made, RequestsHttp(timeout=10, ca=authority.certificate)).deliver(make_delivery())
    Access._all.clear()
    shown = RequestsHttp(timeout=10, ca=authority.certificate, certificate=authority.client("callrouter"))
    Http(made, shown).deliver(make_delivery())

    assert (len(tokens.asked), len(tokens.taken)) == (1, 1)


def attempted(tokens: Tokens, caplog) -> str:
    """Make one attempt as a sender does; return all that is said and kept of it."""
    caplog.set_level(logging.DEBUG)
    to = Destination(
        name="crm", plugin=Http, settings=settings_of(tokens, fields={"hint": "s3cret-field"}), fingerprint="",
        disabled=None, retry=RetryPolicy(), order="none", keep_answers=True,
    )  # fmt: skip
    outcome = Attempts(to).make(make_job(1))
    return f"{outcome}{caplog.text}{to.settings!r}{to.settings}{to.settings.model_dump_json()}"


def echo(status: int):
    """What repeats all that it was told, as a debugging page does."""

    def refuse(one):
        said = {**one.headers, "body": one.body.decode()}
        return Reply(status, json.dumps(said).encode(), {"X-Error-Message": one.body.decode()[:500]})

    return refuse


@pytest.mark.parametrize("status", [200, 401, 500])
def test_no_secret_of_the_client_and_no_token_is_kept_or_said(tokens, caplog, status):
    said = attempted(tokens, caplog)
    assert "delivered" in said
    tokens._recorder.judge(echo(status))
    Access._all.clear()

    said += attempted(tokens, caplog)

    secrets = ("s3cret", SECRET, "s3cret%2Fof", base64.b64encode(b"callrouter%3Acrm").decode()[:12])
    assert [secret for secret in secrets if secret in said] == []


def test_an_answer_that_never_came_leaves_no_token_behind(tokens, caplog):
    tokens.verdict = Reply(lost=True)

    said = attempted(tokens, caplog)

    assert "unknown" in said
    assert "s3cret" not in said
