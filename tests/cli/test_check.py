"""What check says of a configuration and its tests, to people and to build servers."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

PASSES = """\
tests:
  - name: a missed call is told
    call: missed
    expect: [crm, pager, archive]
"""
FAILS = """\
  - name: "nobody: hears, 100%"
    call: busy
    expect: []
"""


@pytest.fixture
def add(config, folder):
    """Adds lines to the configuration."""

    def add(text: str) -> None:
        path = folder / "config.yaml"
        path.write_text(path.read_text() + text)

    return add


def test_tests_that_pass_are_counted(run, add):
    add(PASSES)
    ran = run("check")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("1 test passed.\n")


def test_a_test_that_fails_is_shown_with_its_place_and_ends_with_no(run, add):
    add(PASSES + FAILS)
    ran = run("check")

    assert ran.code == 3
    assert 'config.yaml:27:11: test "nobody: hears, 100%" failed\n    + archive ×2  by always:' in ran.out
    assert ran.out.endswith("1 of 2 tests failed: - is expected, + is what happens.\n")


def test_a_wrong_configuration_ends_with_two_whatever_its_tests_would_say(run, add):
    add(FAILS.replace("  - name", "tests:\n  - name") + "wrong: key\n")

    assert run("check").code == 2


@pytest.mark.parametrize("option", [["--json"], ["--format", "json"]])
def test_scripts_get_the_tests_too(run, add, option):
    add(PASSES + FAILS)
    ran = run("check", *option)
    (document,) = ran.json

    assert (ran.code, document["ok"]) == (3, False)
    assert [(test["name"], test["passed"], test["line"]) for test in document["tests"]] == [
        ("a missed call is told", True, 24),
        ("nobody: hears, 100%", False, 27),
    ]
    assert document["tests"][1]["differences"] == ["+ archive ×2  by always:, on call_setup, busy"]


def test_a_failed_test_is_an_annotation_on_github(run, add):
    add(PASSES + FAILS)
    ran = run("check", "--format", "github")

    assert ran.code == 3
    assert ran.out.splitlines()[0] == (
        '::error file=config.yaml,line=27,col=11::test "nobody: hears, 100%25" failed%0A'
        "+ archive ×2  by always:, on call_setup, busy"
    )


def test_mistakes_and_doubts_are_annotations_on_github(run, config, folder):
    path = folder / "config.yaml"
    right = path.read_text()
    path.write_text(right.replace("send: [crm]", "send: [archive]"))
    doubtful = run("check", "--format", "github")
    path.rename(folder / "a,b.yaml")
    (folder / "a,b.yaml").write_text(right + "wrong: 1\n")
    wrong = run("check", "--format", "github", "--config", "a,b.yaml")

    assert doubtful.out.startswith('::warning file=config.yaml,line=11,col=3::nobody sends to destination "crm"; ')
    assert (wrong.code, wrong.err) == (2, "")
    assert wrong.out.startswith('::error file=a%2Cb.yaml,line=23,col=1::unknown key "wrong"')


def test_results_are_written_for_build_servers(run, add, folder):
    add(PASSES + FAILS)
    ran = run("check", "--junit", "results.xml")
    suite = ElementTree.parse(folder / "results.xml").getroot()[0]

    assert ran.code == 3
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["a missed call is told", "nobody: hears, 100%"]
    assert [failure.text for failure in suite.iter("failure")] == ["+ archive ×2  by always:, on call_setup, busy"]


def test_results_that_cannot_be_written_are_a_failure_of_ours(run, add):
    add(PASSES)
    ran = run("check", "--junit", "nowhere/results.xml")

    assert ran.code == 1
    assert (
        ran.err == "callrouter: the test results cannot be written to nowhere/results.xml: No such file or directory\n"
    )
