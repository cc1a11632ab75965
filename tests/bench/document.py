"""docs/performance.md and its plots, from figures: `python -m tests.bench.document [PART… | all]`.

Measures the named parts anew, or all of them, and then writes what stands between the markers of the page,
`<!-- figures: NAME -->` and `<!-- end -->`, and the plots beside it. Without a part nothing is measured.

Where the compiled build is installed, parts that are loads become figures of that.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from tests.bench import figures, plot
from tests.bench.figures import Figures
from tests.bench.growth import KINDS
from tests.bench.load import LOADS
from tests.bench.report import Ratio, Row
from tests.bench.target import Case

PAGE = "performance.md"
BLOCK = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.document", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*figures.PARTS, "all", []], metavar="PART")
    parser.add_argument("--docs", type=Path, default=figures.DOCS, help="the folder of the page (docs)")
    arguments = parser.parse_args()
    asked, docs = arguments.parts, arguments.docs
    for part in figures.PARTS if "all" in asked else asked:
        print(f"== {part}", file=sys.stderr, flush=True)
        figures.take(part, docs)
    found, written = figures.load(docs), docs / PAGE
    written.write_text(page(written.read_text(), found))
    for name, text in plots(found):
        figures.file(docs).with_name(name).write_text(text)
    return 0


def page(text: str, found: Figures) -> str:
    """The page with these figures in the place of those it had."""
    return BLOCK.sub(lambda block: block[1] + "\n".join(BLOCKS[block[2]](found)) + "\n" + block[3], text)


def plots(found: Figures) -> Iterator[tuple[str, str]]:
    """What each is called, and what is in it."""
    for kind, grown in found["growth"].items():
        lines = {name: [(x, y) for x, y in line] for name, line in grown["lines"].items()}
        text = plot.svg(grown["title"], grown["x"], MICROSECONDS, lines, log_x=grown["log_x"], log_y=grown["log_y"])
        yield f"{kind}.svg", text


MICROSECONDS = "µs of processor time for an exchange"


def _machine(found: Figures) -> Iterator[str]:
    machine = found["machine"]
    peers = ", ".join(f"{name} {number}" for name, number in (machine["servers"] | machine["packages"]).items())
    processor = f"{machine['cores']} cores of an {machine['processor']}"
    yield f"{machine['date']}: {processor}, Python {machine['python']}, {peers}."


def _budgets(found: Figures) -> Iterator[str]:
    """By budget and load: the ratio by processor time, and that by rate behind it."""
    loads = [name for name in LOADS if name in found["loads"]]
    by_load = {name: {each["name"]: Ratio(**each) for each in found["loads"][name]["ratios"]} for name in loads}
    asked = {ratio.name: ratio.asked for ratios in by_load.values() for ratio in ratios.values()}
    rows = (
        (f"`{name}`", f"{ratio:.2f}", *(_ratio(by_load[load].get(name)) for load in loads))
        for name, ratio in asked.items()
    )
    return _table(("budget", "asked", *loads), rows)


def _compiled(found: Figures) -> Iterator[str]:
    """The same of the compiled build, and what its requests cost under the loads that were measured."""
    yield from _machine(found["compiled"])
    yield ""
    yield from _budgets(found["compiled"])
    yield "\nProcessor time for a request, in µs, and requests per second:\n"
    loads = found["compiled"]["loads"]
    names = [name for name in LOADS if name in loads]
    by_load = {name: {(row["case"], row["server"]): Row(**row) for row in loads[name]["rows"]} for name in names}
    places = list(dict.fromkeys(place for rows in by_load.values() for place in rows))
    yield from _table(
        ("case", "server", *names),
        ((*place, *(_cost(rows.get(place)) for rows in by_load.values())) for place in places),
    )


def _cost(row: Row | None) -> str:
    return "–" if row is None else f"{row.cpu:.1f} ({row.rate:,.0f})"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return "–"
    cpu = f"**{ratio.cpu:.2f}**" if ratio.cpu >= ratio.asked else f"{ratio.cpu:.2f}"
    return f"{cpu} ({ratio.rate:.2f})"


def _loads(found: Figures) -> Iterator[str]:
    for name in LOADS:
        if name in found["loads"]:
            load = found["loads"][name]
            yield f"\n**{name}**: {load['about']} (`python -m tests.bench --load {name}`)\n"
            rows = [Row(**each) for each in load["rows"]]
            yield from _table(
                ("case", "server", "requests/s", "p50 ms", "p90 ms", "p99 ms", "CPU µs"),
                (
                    (
                        row.case,
                        row.server,
                        f"{row.rate:,.0f}",
                        *_fixed(2, row.p50, row.p90, row.p99),
                        *_fixed(1, row.cpu),
                    )
                    for row in rows
                ),
            )


def _growth(kind: str) -> Callable[[Figures], Iterator[str]]:
    def block(found: Figures) -> Iterator[str]:
        grown = found["growth"][kind]
        places = sorted({x for line in grown["lines"].values() for x, _ in line})
        yield f"![{grown['title']}: {MICROSECONDS}](performance/{kind}.svg)\n"
        rows = (
            (name, *(f"{dict(map(tuple, line)).get(x, float('nan')):,.1f}" for x in places))
            for name, line in grown["lines"].items()
        )
        yield from _table((grown["x"], *(f"{x:,.0f}" for x in places)), rows)

    return block


def _layers(found: Figures) -> Iterator[str]:
    """Layers down, cases across; the largest of all cases first."""
    costs: dict[str, dict[str, float]] = found["layers"]["layers"]
    cases = [case.value for case in Case if case.value in costs]
    names = sorted({name for each in costs.values() for name in each}, key=lambda name: -_sum(costs, name))
    rows = [(name, *(f"{costs[case].get(name, 0.0):.1f}" for case in cases)) for name in names if _sum(costs, name) > 1]
    total = ("**together**", *(f"**{sum(costs[case].values()):.1f}**" for case in cases))
    return _table((MICROSECONDS.partition(" for")[0], *(f"`{case}`" for case in cases)), [*rows, total])


def _sum(costs: dict[str, dict[str, float]], name: str) -> float:
    return sum(each.get(name, 0.0) for each in costs.values())


def _component(found: Figures) -> Iterator[str]:
    rows = (
        (
            each["what"],
            f"{each['measured']:.1f}",
            *(("" if n is None else f"{n:,.0f}") for n in (each["asked"], each["peer"])),
        )
        for each in found["component"]["component"]
    )
    return _table(("µs", "measured", "asked", "wasmtime-py"), rows)


def _http3(found: Figures) -> Iterator[str]:
    compared = found["http3"]["http3"]
    rows = [(each["protocol"], f"{each['rate']:,.0f}", f"{each['cpu']:.1f}") for each in compared["costs"]]
    yield from _table(("cached hit of 600 bytes", "requests/s", "CPU µs"), rows)
    yield f"\nHTTP/3 takes {compared['ratio']:.1f} times the processor time of HTTP/2. A connection that is idle takes"
    yield f"{compared['idle'] / 1024:.0f} KiB, with aioquic {compared['aioquic']}."


BLOCKS: dict[str, Callable[[Figures], Iterator[str]]] = {
    "machine": _machine,
    "budgets": _budgets,
    "compiled": _compiled,
    "component": _component,
    "loads": _loads,
    "layers": _layers,
    "http3": _http3,
    **{kind: _growth(kind) for kind in KINDS},
}


def _fixed(digits: int, *values: float) -> tuple[str, ...]:
    return tuple(f"{value:,.{digits}f}" for value in values)


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> Iterator[str]:
    """In Markdown: text to the left, figures to the right."""
    rows = list(rows)
    numbers = [all(any(c.isdigit() for c in row[n]) or row[n] in ("", "–") for row in rows) for n in range(len(head))]
    lines = chain([tuple(head), tuple("---:" if right and n else "---" for n, right in enumerate(numbers))], rows)
    return (f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
