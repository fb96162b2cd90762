"""Tables and the page they are written into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.report import Report, spread, table
from tests.bench.sustained import Run
from tests.harness.percentiles import percentiles


def test_columns_are_as_wide_as_their_widest_cell_and_figures_stand_to_the_right() -> None:
    assert table(("what", "n"), [("a", "1,000"), ("longer", "7")]).splitlines() == [
        "| what   |     n |",
        "| ------ | ----: |",
        "| a      | 1,000 |",
        "| longer |     7 |",
    ]


def test_repeated_measurements_show_median_least_and_greatest() -> None:
    assert spread([3.0, 1.0, 2.0], 1) == "2.0 (1.0–3.0)"
    assert spread([1234.0]) == "1,234"


def test_percentiles_are_values_of_the_sample() -> None:
    assert percentiles(range(1, 101)) == {"count": 100, "p50": 50.0, "p99": 99.0, "max": 100.0}
    assert percentiles([5]) == {"count": 1, "p50": 5.0, "p99": 5.0, "max": 5.0}
    assert percentiles([])["count"] == 0


def test_a_report_replaces_its_own_part_of_the_page_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    monkeypatch.setattr(bench, "PAGE", page)
    for name in ("one", "two", "one"):
        bench.write(name, Report(f"Title {name}", "How.", ("a", "b"), [("x", r"1\1")]))
    text = page.read_text()
    assert text.startswith("# Benchmarks")
    assert text.count("## Title one") == text.count("## Title two") == 1
    page.write_text(text.replace("## Title one", "## Stale").replace("# Benchmarks", "# By hand"))
    bench.write("one", Report("Fresh", "How.", ("a",), [("x",)]))
    assert "Stale" not in page.read_text()
    assert page.read_text().startswith("# By hand")
    assert "## Title two" in page.read_text()


@pytest.mark.parametrize(
    ("backlog", "arrived", "flat"),
    [
        ([50, 60, 50, 60], 1000, True),
        ([50, 60, 250, 300], 1000, False),
        ([50, 1200, 50, 60], 1000, False),
        ([50, 60, 50, 60], 980, False),
    ],
)
def test_a_backlog_is_flat_when_it_neither_grows_nor_leaps(backlog: list[int], arrived: int, flat: bool) -> None:
    assert Run(1000, "call", 4, arrived_rate=arrived, backlog=backlog).flat is flat
