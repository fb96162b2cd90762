"""What a right configuration becomes."""

from __future__ import annotations

import hashlib
from datetime import UTC
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from router.authentication import Allow, Basic, Header, Hmac, StandardWebhooks, Token
from router.config import Address, load
from router.errors import ConfigError
from router.registry import Found, Registry
from router.retry import BreakerPolicy, RetryPolicy
from router.secret import Secret
from router.units import Rate
from tests.config.conftest import REST
from tests.config.plugins import REGISTRY, Paper, Web
from tests.harness.authority import Authority

SHIPPED = Path(__file__).parents[2] / "config.yaml"


def test_everything_left_out_has_its_documented_value(config: Any, tmp_path: Path) -> None:
    loaded = config("")

    assert (loaded.listen, loaded.admin) == (Address("127.0.0.1", 8080), Address("127.0.0.1", 8081))
    assert loaded.data == tmp_path / "data"
    assert (loaded.timezone, loaded.region, loaded.own_numbers, loaded.trusted_proxies) == (UTC, None, frozenset(), ())
    assert (loaded.settle, loaded.stale_after, loaded.warnings) == (5.0, 14400.0, ())
    assert loaded.sources["wavix"].authentication == ()
    crm = loaded.destinations["crm"]
    assert (crm.retry, crm.order, crm.concurrency, crm.rate, crm.timeout) == (RetryPolicy(), "none", 32, None, 30.0)
    assert (crm.expire, crm.disabled, crm.allow_private, crm.unknown) == (None, None, True, "retry")


def test_the_top_level_says_what_the_file_says(config: Any, tmp_path: Path) -> None:
    loaded = config("""
listen: "[::1]:9000"
admin: {listen: localhost:9001}
store: sqlite:var/calls
timezone: Europe/London
region: GB
own_numbers: [020 7123 4567, +33170363950]
trusted_proxies: [10.0.0.0/8, "::1"]
calls: {settle: 0s, stale_after: 2h30m}
""")

    assert (loaded.listen, loaded.admin) == (Address("::1", 9000), Address("localhost", 9001))
    assert loaded.data == tmp_path / "var" / "calls"
    assert (str(loaded.timezone), loaded.region) == ("Europe/London", "GB")
    assert loaded.own_numbers == {"+442071234567", "+33170363950"}
    assert loaded.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert (loaded.settle, loaded.stale_after) == (0.0, 9000.0)


def test_a_source_demands_everything_its_auth_names(config: Any) -> None:
    loaded = config("""
sources:
  wavix:
    auth:
      token: "${TOKEN}"
      basic: {user: wavix, password: "${TOKEN}"}
      header: {name: X-Key, value: "${TOKEN}"}
      hmac: {header: X-Signature, secret: "${TOKEN}", algorithm: sha512, encoding: base64, prefix: "v1="}
      allow: [192.0.2.7, 10.0.0.0/8]
    validation: strict
    accept_types: [sms, fax]
    invalid: accept
""", {"TOKEN": "sesame"})  # fmt: skip

    secret = Secret("sesame")
    wavix = loaded.sources["wavix"]
    assert wavix.authentication == (
        Token(secret),
        Basic("wavix", secret),
        Header("x-key", secret),
        Hmac("x-signature", secret, "sha512", "base64", "v1="),
        Allow((ip_network("192.0.2.7"), ip_network("10.0.0.0/8"))),
    )
    assert (wavix.validation, wavix.accept_types, wavix.invalid) == ("strict", {"sms", "fax"}, "accept")


def test_standard_webhooks_take_one_secret_or_several(config: Any) -> None:
    old, new = "whsec_" + "A" * 32, "whsec_" + "B" * 32

    one = config("sources: {wavix: {auth: {standard-webhooks: '${OLD}'}}}", {"OLD": old})
    two = config("sources: {wavix: {auth: {standard-webhooks: ['${NEW}', '${OLD}']}}}", {"OLD": old, "NEW": new})

    assert one.sources["wavix"].authentication == (StandardWebhooks((Secret(old),)),)
    assert two.sources["wavix"].authentication == (StandardWebhooks((Secret(new), Secret(old))),)


def test_a_standard_webhooks_secret_that_is_none_is_refused_without_showing_it(mistakes: Any) -> None:
    told = mistakes("sources: {wavix: {auth: {standard-webhooks: '${OLD}'}}}", {"OLD": "hunter2"})

    assert "standard-webhooks: " in told[0]
    assert "hunter2" not in told[0]


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "127.9.9.9:8080", "localhost:8080", '"[::1]:8080"'])
def test_auth_may_be_left_out_only_where_no_other_machine_can_reach(config: Any, listen: str) -> None:
    assert config(f"listen: {listen}").sources["wavix"].authentication == ()


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", '"[::]:8080"', "192.0.2.7:8080", "calls.example:8080"])
def test_elsewhere_no_auth_must_be_said_aloud(config: Any, mistakes: Any, listen: str) -> None:
    assert "has no auth" in mistakes(f"listen: {listen}")[0]
    assert config(f"listen: {listen}\nsources: {{wavix: {{auth: none}}}}").sources["wavix"].authentication == ()


def test_rules_know_the_event_types_that_sources_accept(config: Any) -> None:
    text = "sources: {wavix: {accept_types: [sms]}}\nrules: [{name: sms, when: {event_type: sms}, send: crm}]"

    assert config(text).routes.rules[0].condition.matches({"event_type": "sms"})


@pytest.mark.parametrize(
    ("listen", "admin"),
    [("127.0.0.1:9000", "127.0.0.1:9000"), ("127.0.0.1:9000", "0.0.0.0:9000"), ('"[::]:9000"', "127.0.0.1:9000")],
)
def test_metrics_are_never_on_the_listener_of_senders(mistakes: Any, listen: str, admin: str) -> None:
    sources = "sources: {wavix: {auth: none}}"

    told = mistakes(f"listen: {listen}\nadmin: {{listen: {admin}}}\n{sources}")

    assert "both port 9000" in told[0]


def test_both_listeners_may_let_the_operating_system_choose(config: Any) -> None:
    assert config('listen: "127.0.0.1:0"\nadmin: {listen: "127.0.0.1:0"}').admin.port == 0


def test_utc_needs_no_time_zones_on_the_machine(config: Any) -> None:
    assert config("timezone: UTC").timezone is UTC


def test_a_destination_has_the_keys_of_every_destination_and_its_own(
    config: Any, tmp_path: Path, authority: Authority
) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.certificate.read_bytes())
    (tmp_path / "key.pem").write_bytes(authority.key.read_bytes())
    crm = config("""
destinations:
  crm:
    type: web
    url: https://crm.example
    method: PUT
    headers: {X-Tag: "{{ event.tag }}", X-Extension: 0123}
    compress: true
    copies: 2
    tags: [no, 17:00, 1.10]
    pause: 200ms
    signing: {secret: "s", algorithm: sha512}
    secrets: [a, b]
    retry: {first: 1s, factor: 2, max: 1h, give_up_after: 2d, attempts: 9}
    expire: 2h
    concurrency: 4
    rate: 60/m
    order: call
    after_dead_letter: hold
    unknown: hold
    timeout: 10s
    allow_private: false
    ca: ca.pem
    certificate: {file: ca.pem, key: key.pem}
    proxy: http://proxy.example:3128
    keep_answers: true
    description: Sales
    formerly: old-crm
    open: business
    answers: {409: done, 4xx: again, "404": pause}
    breaker: {failures: 20, within: 2m, pause: 10s, max: 10m}
hours: {business: [{days: mon-fri, from: "09:00", to: "17:00"}]}
""").destinations["crm"]

    assert crm.plugin is Web
    assert crm.settings.url == Secret("https://crm.example")
    assert (crm.settings.method, crm.settings.compress, crm.settings.copies) == ("PUT", True, 2)
    assert {name: template.source for name, template in crm.settings.headers.items()} == {
        "X-Tag": "{{ event.tag }}",
        "X-Extension": "0123",
    }
    assert (crm.settings.tags, crm.settings.pause) == (["no", "17:00", "1.10"], 0.2)
    assert (crm.settings.signing.secret, crm.settings.secrets) == (Secret("s"), [Secret("a"), Secret("b")])
    assert crm.retry == RetryPolicy(1.0, 2.0, 3600.0, 172800.0, 9)
    assert (crm.expire, crm.concurrency, crm.rate, crm.order) == (7200.0, 4, Rate(60, 60.0), "call")
    assert (crm.after_dead_letter, crm.unknown, crm.timeout, crm.allow_private) == ("hold", "hold", 10.0, False)
    assert (crm.ca, crm.proxy) == (tmp_path / "ca.pem", Secret("http://proxy.example:3128"))
    assert (crm.certificate, crm.keep_answers) == ((tmp_path / "ca.pem", tmp_path / "key.pem"), True)
    assert (crm.description, crm.formerly, crm.disabled) == ("Sales", "old-crm", None)
    assert crm.open == "business"
    assert {crm.answers[status] for status in range(400, 500) if status not in (404, 409)} == {"again"}
    assert (crm.answers[404], crm.answers[409], len(crm.answers)) == ("pause", "done", 100)
    assert crm.breaker == BreakerPolicy(20, 120.0, 10.0, 600.0)


def test_a_destination_may_be_without_a_breaker(config: Any) -> None:
    loaded = config('destinations: {crm: {type: web, url: "https://crm.example", breaker: none}}')

    assert loaded.destinations["crm"].breaker is None


def test_paths_of_a_plugin_begin_at_the_folder_of_the_file(config: Any, tmp_path: Path) -> None:
    loaded = config("destinations: {crm: {type: paper, path: data/a.jsonl}, abs: {type: paper, path: /tmp/a}}")

    assert loaded.destinations["crm"].settings.path == tmp_path / "data" / "a.jsonl"
    assert loaded.destinations["abs"].settings.path == Path("/tmp/a")
    assert loaded.destinations["crm"].plugin is Paper
    assert loaded.destinations["crm"].order == "call"


def test_a_destination_that_is_not_enabled_says_so(config: Any) -> None:
    loaded = config('destinations: {crm: {type: web, url: "https://crm.example", enabled: false}}')

    assert loaded.destinations["crm"].disabled == "enabled: false"


def test_a_fingerprint_changes_with_every_setting_and_with_a_secret_but_not_with_words_about_it(config: Any) -> None:
    def fingerprint(rest: str, url: str = "https://a.example") -> str:
        text = f'destinations: {{crm: {{type: web, url: "${{URL}}"{rest}}}}}'
        return config(text, {"URL": url}).destinations["crm"].fingerprint

    plain = fingerprint("")
    assert fingerprint(", description: Sales") == plain
    assert (
        len({plain, fingerprint(", timeout: 5s"), fingerprint(", copies: 2"), fingerprint("", "https://b.example")})
        == 4
    )
    assert "a.example" not in plain


def test_the_rules_become_routes(config: Any) -> None:
    routes = config("""
region: GB
rules:
  - name: missed-sales
    when: {missed: true, to_number: [020 7123 4567, "+4420*"]}
    send: [crm]
    stop: true
  - name: it-rings
    when: {event_type: ringing, weekday: [mon, tue]}
    once: call
    send: crm
always: crm
unmatched: [crm]
alerts: none
""").routes

    missed, rings = routes.rules
    assert (missed.name, missed.send, missed.stop, missed.once, missed.sees_own_events) == (
        "missed-sales", ("crm",), True, False, True,
    )  # fmt: skip
    assert (rings.stop, rings.once, rings.sees_own_events) == (False, True, False)
    assert missed.condition.matches({"missed": True, "to_number": "+442071234567"})
    assert len(rings.condition.parts) == 2
    assert (routes.always, routes.unmatched) == (("crm",), ("crm",))


def test_the_version_is_a_digest_of_the_files_bytes(config: Any, tmp_path: Path) -> None:
    version = config("# one").version

    assert version == hashlib.sha256((tmp_path / "config.yaml").read_bytes()).hexdigest()[:12]
    assert config("# two").version != version


def test_anchors_and_merges_work(config: Any) -> None:
    loaded = config("""
destinations:
  one: &web {type: web, url: "https://one.example", copies: 2}
  two: {<<: *web, url: "https://two.example"}
rules:
  - {name: a, when: &missed {missed: true}, send: &both [one, two]}
  - {name: b, when: *missed, send: *both}
always: [one]
""")

    two = loaded.destinations["two"].settings
    assert (two.url.reveal(), two.copies) == ("https://two.example", 2)
    assert loaded.routes.rules[1].send == ("one", "two")


def test_a_file_of_few_lines_cannot_become_millions_of_values(mistakes: Any) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "the file says more than" in mistakes("\n".join(lines))[0]


def test_an_alias_to_what_it_stands_in_is_refused(mistakes: Any) -> None:
    assert "refers to something" in mistakes("rules: &rules [*rules]")[0]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(config: Any) -> None:
    assert config("\ufeffregion: GB\r\ntimezone: UTC\r\n").region == "GB"


def test_a_byte_order_mark_takes_no_column(mistakes: Any) -> None:
    assert mistakes("\ufeffregion: UK")[0].startswith("1:9: ")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "there is no such file; name another with --config"),
        (lambda path: path.mkdir(), "this is a folder, not a file"),
        (lambda path: path.touch(), "the file is empty"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(make: Any, sentence: str, tmp_path: Path) -> None:
    make(tmp_path / "config.yaml")

    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.yaml", {}, registry=REGISTRY)

    assert sentence in str(caught.value)


def test_a_plugin_that_could_not_be_loaded_is_a_doubt_and_a_mistake_for_who_asked_for_it(
    tmp_path: Path, mistakes: Any
) -> None:
    registry = Registry({"web": Found(Web, "bundled")}, {"plugins/pager.py": "SyntaxError in line 3"})
    path = tmp_path / "config.yaml"
    text = f"{REST}\n"
    path.write_text(text)

    warnings = load(path, {}, registry=registry).warnings
    assert [str(warning) for warning in warnings] == [
        f"{path}:1:1: plugin plugins/pager.py cannot be used: SyntaxError in line 3"
    ]

    path.write_text(text.replace("type: web", "type: pager"))
    with pytest.raises(ConfigError, match='there is no plugin "pager"; it could not be loaded: SyntaxError in line 3'):
        load(path, {}, registry=registry)

    (tmp_path / "mine").mkdir()
    path.write_text("plugins: {folders: [mine]}\n" + text)
    assert len(load(path, {}, registry=registry).warnings) == 1
    asked_for = Registry(registry.plugins, {str(tmp_path / "mine" / "pager.py"): "SyntaxError in line 3"})
    with pytest.raises(ConfigError, match="cannot be used"):
        load(path, {}, registry=asked_for)


def test_the_shipped_file_needs_no_account_and_has_no_doubts() -> None:
    found = load(SHIPPED, {})

    assert found.warnings == ()
    assert found.destinations["slack"].disabled == "SLACK_WEBHOOK_URL is not set"
    assert found.destinations["console"].disabled is None
    assert [rule.name for rule in found.routes.rules] == ["missed-calls", "finished-calls"]
