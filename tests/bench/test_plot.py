"""A chart has every figure, as high as it is great."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.bench.plot import bars

SVG = "{http://www.w3.org/2000/svg}"
PANELS = {"rules": [("10", 100.0), ("1,000", 150.0)], "nodes": [("1", 200.0), ("2", 100.0)]}


def test_bars_are_as_high_as_their_figures_in_one_scale_for_all():
    drawn = ElementTree.fromstring(bars("What it costs", "µs", PANELS, foot=""))

    _, *found = drawn.findall(f"{SVG}rect")
    highest = max(float(bar.attrib["height"]) for bar in found)
    assert [round(float(bar.attrib["height"]) / highest, 2) for bar in found] == [0.5, 0.75, 1.0, 0.5]


def test_every_figure_and_name_stands_in_the_chart():
    drawn = ElementTree.fromstring(bars("What <it> costs", "µs", PANELS, foot="One run"))

    words = {"".join(text.itertext()) for text in drawn.iter(f"{SVG}text")}
    assert {"100", "150", "200", "1,000", "rules", "nodes", "What <it> costs", "µs. One run"} <= words
