"""docs/performance.md says what its figures say."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.bench import document, figures, plot


def test_the_page_has_the_figures() -> None:
    """`python -m tests.bench.document` writes it."""
    text = (figures.DOCS / document.PAGE).read_text()

    assert document.page(text, figures.load()) == text


def test_the_plots_have_the_figures() -> None:
    plots = dict(document.plots(figures.load()))

    assert {path.name: path.read_text() for path in figures.file(figures.DOCS).parent.glob("*.svg")} == plots


def test_every_part_is_on_the_page() -> None:
    found = figures.load()
    marks = {mark for _, mark, _ in document.BLOCK.findall((figures.DOCS / document.PAGE).read_text())}

    assert {part for kind in ("loads", "growth", "layers", "component", "http3") for part in found[kind]} == set(
        figures.PARTS
    )
    assert marks == set(document.BLOCKS)


def test_what_is_between_the_markers_is_replaced() -> None:
    old = "before\n<!-- figures: component -->\nold\n<!-- end -->\nafter\n"
    found = {"component": {"component": [{"what": "a call", "measured": 1.94, "asked": 3.0, "peer": None}]}}

    assert document.page(old, found).splitlines() == [
        "before",
        "<!-- figures: component -->",
        "| µs | measured | asked | wasmtime-py |",
        "| --- | ---: | ---: | ---: |",
        "| a call | 1.9 | 3 |  |",
        "<!-- end -->",
        "after",
    ]


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "ticks"),
    [
        (3, 930, False, [0, 200, 400, 600, 800, 1000]),
        (0, 26.5, False, [0, 5, 10, 15, 20, 25, 30]),
        (12, 540, True, [10, 20, 50, 100, 200, 500, 1000]),
        (0.3, 0.4, True, [0.2, 0.5]),
    ],
)
def test_ticks_are_round_and_around_the_range(low: float, high: float, logarithmic: bool, ticks: list[float]) -> None:
    assert plot.ticks(low, high, logarithmic) == pytest.approx(ticks)


def test_a_plot() -> None:
    lines = {"a < b": [(1.0, 10.0), (1000.0, 40.0)], "above": [(1.0, 20.0), (1000.0, 41.0)]}

    picture = ElementTree.fromstring(plot.svg("Cost", "routes", "µs", lines, log_x=True, log_y=False))

    texts = {each.text: each for each in picture.iter("{http://www.w3.org/2000/svg}text")}
    first, second = (each.get("points") for each in picture.iter("{http://www.w3.org/2000/svg}polyline"))
    left, right, bottom = plot.LEFT, plot.WIDTH - plot.RIGHT, plot.HEIGHT - plot.BOTTOM
    fifth = (bottom - plot.TOP) / 5
    assert first == f"{left}.0,{bottom - fifth:.1f} {right}.0,{bottom - 4 * fifth:.1f}"
    assert second is not None
    assert {"Cost", "routes", "µs", "1", "1,000", "0", "50", "a < b", "above"} <= texts.keys()
    assert float(texts["a < b"].get("y", 0)) - float(texts["above"].get("y", 0)) == plot.LABEL
