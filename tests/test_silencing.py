"""What a silence is about: matchers in the words of rules, and every mistake in them where it stands."""

from __future__ import annotations

import pytest

from router.silencing import Known, Word, compile_matchers

KNOWN = Known(
    sources=frozenset({"wavix"}),
    types=frozenset({"voicemail"}),
    region="GB",
    hours=frozenset({"business"}),
    destinations=frozenset({"crm", "slack-sales", "slack-ops"}),
    rules=frozenset({"missed", "vip"}),
)
SUBJECT = {
    "tag": "noisy",
    "event_type": "ringing",
    "source": "wavix",
    "customer_number": "+442079460958",
    "hours": ["business"],
    "direction": "inbound",
}


def compiled(*matchers: str, subject=SUBJECT, destination="crm", rule="missed") -> bool:
    mistakes: list[object] = []
    found = compile_matchers(matchers, KNOWN, lambda *told: mistakes.append(told))
    assert mistakes == []
    return found.match(subject, destination, rule)


def mistakes(*matchers: str) -> list[tuple[int, str, str | None]]:
    told = []

    def report(at: object, text: str, hint: str | None) -> None:
        told.append((at.column if isinstance(at, Word) else 0, text, hint))

    compile_matchers(matchers, KNOWN, report)
    return told


@pytest.mark.parametrize(
    ("matchers", "caught"),
    [
        (["tag=noisy"], True),
        (["tag=loud"], False),
        (["tag=loud,noisy"], True),
        (["tag=noi*"], True),
        (["tag!=noisy"], False),
        (["tag!=loud,quiet"], True),
        (["tag!=no*"], False),
        (["tag=noisy", "event_type=ringing"], True),
        (["tag=noisy", "event_type=answered"], False),
        (["tag=noi*", "tag!=noisy"], False),
        (["event_type=voicemail,ringing"], True),
        (["customer_number=+44 20 7946 0958"], True),
        (["customer_number=020 7946 0958"], True),
        (["customer_number=+44*"], True),
        (["hours=business"], True),
        (["hours!=business"], False),
        (["event_payload.type=dtmf"], False),
        (["destination=crm"], True),
        (["destination=slack-*"], False),
        (["destination=slack-*,crm"], True),
        (["destination!=slack-*"], True),
        (["destination!=crm"], False),
        (["rule=missed", "destination=crm", "tag=noisy"], True),
        (["rule=vip"], False),
        (["rule!=vip"], True),
    ],
)
def test_a_delivery_is_caught_when_every_matcher_fits(matchers, caught):
    assert compiled(*matchers) is caught


def test_what_no_rule_asked_for_is_caught_by_no_rule_and_by_not_a_rule():
    assert not compiled("rule=*", rule=None)
    assert compiled("rule!=missed", rule=None)


def test_a_field_that_is_missing_is_never_equal_but_always_different():
    assert not compiled("tag=noisy", subject={})
    assert compiled("tag!=noisy", subject={})


@pytest.mark.parametrize(
    ("matchers", "column", "text", "hint"),
    [
        (["tag=a", "noisy"], 7, '"noisy" is no matcher', "write KEY=VALUE"),
        (["=a"], 1, '"=a" is no matcher', "write KEY=VALUE"),
        (["tag="], 1, '"tag" has an empty value', "KEY=VALUE,VALUE"),
        (["tag=a,,b"], 1, '"tag" has an empty value', "KEY=VALUE,VALUE"),
        (["tga=a"], 1, 'unknown key "tga"', 'did you mean "tag"?'),
        (["tag=a", "event_type=ringing,rining"], 26, '"rining" is no event_type', 'did you mean "ringing"?'),
        (["source=phone"], 8, '"phone" is no source', "wavix"),
        (["hours=night"], 7, 'there are no hours "night"', "business"),
        (["missed=yes"], 8, '"missed" is either true or false', "did you mean true?"),
        (["customer_number=x"], 17, '"x" is no phone number', "country code"),
        ([], 0, "would silence everything", "tag=noisy"),
    ],
)
def test_a_mistake_is_told_where_it_stands_with_what_to_write(matchers, column, text, hint):
    [(at, told, advice)] = mistakes(*matchers)

    assert at == column
    assert text in told
    assert hint in (advice or "")


def test_a_destination_or_rule_that_is_not_there_is_no_mistake_but_told():
    found = compile_matchers(["destination=crm,fax,slack-*,fax-*", "rule=nobody"], KNOWN, lambda *_: None)

    assert found.gone == ('destination "fax"', 'destination "fax-*"', 'rule "nobody"')
