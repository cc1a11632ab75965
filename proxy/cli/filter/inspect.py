"""`sluice filter inspect`: what a component is and what it could reach."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from proxy.component import DecodeError
from proxy.sluice.interface import PACKAGE
from proxy.workshop.description import CoreModule, Description, Import, describe

CALLED = {
    "on-request": "called with each request, before the stages below it",
    "on-response": "called with each response, after the stages below it",
    "on-body": "called with each response body it asks for, piece by piece",
}
SMALL = 4096
"""Bytes of a core module below which it is not shown by itself."""

WRITES = ("set-", "append-", "remove-", "tag")


@click.command(name="inspect")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.wasm")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for other programs.")
def command(file: Path, as_json: bool) -> None:
    """Describe the component FILE.wasm: when it is called, what it could reach, and what it is made of.

    Nothing of it is run. Exits with 2 when the file is no component.
    """
    try:
        description = describe(file.read_bytes())
    except OSError as error:
        _fail(f"{file}: cannot be read: {error.strerror}")
    except DecodeError as error:
        _fail(f"{file}: {error}")
    if as_json:
        click.echo(json.dumps({**asdict(description), "grants": description.grants}, indent=2))
    else:
        click.echo(f"{file}: {_kind(description)}, {description.size:,} bytes")
        for line in lines(description):
            click.echo(line)


def _fail(message: str) -> None:
    click.echo(message, err=True)
    sys.exit(2)


def _kind(description: Description) -> str:
    if description.world:
        return "a filter"
    return f"a component of {description.other}" if description.other else "a component, but no filter"


def lines(description: Description) -> Iterator[str]:
    """The description as text."""
    yield f"sha256:{description.digest}"
    if description.problems:
        yield from _section("This proxy would refuse it", description.problems)
    if description.world:
        yield from _section("It is called", [f"{step:<12} {CALLED[step]}" for step in description.world])
    yield from _section("It could reach", [*_reach(description.imports), *_out_of_reach(description.imports)])
    yield from _section("It imports", _imports(description.imports) or ["nothing"])
    yield from _section("It exports", description.exports or ["nothing"])
    yield from _section("Its core modules", _core_modules(description.core_modules))
    made = [
        f"{kind}: {', '.join(f'{tool} {version}'.rstrip() for tool, version in sorted(tools.items()))}"
        for kind, tools in sorted(description.producers.items())
    ]
    if made:
        yield from _section("It says that it was made with", made)


def _section(title: str, content: Sequence[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from (f"  {_printable(line)}" for line in content)


def _printable(line: str) -> str:
    """Names come from the file: nothing in them is for the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _reach(imports: Sequence[Import]) -> Iterator[str]:
    for each in imports:
        interface = each.name.split("@")[0]
        if interface in (f"{PACKAGE}/request", f"{PACKAGE}/response"):
            message = interface.rpartition("/")[2]
            writes = [function for function in each.functions if function.startswith(WRITES)]
            reads = [function for function in each.functions if function not in writes]
            if reads:
                yield f"read of the {message}: {', '.join(reads)}"
            if writes:
                yield f"change of the {message}: {', '.join(writes)}"
    others = (each.reaches for each in imports if f"{PACKAGE}/re" not in each.name)
    yield from dict.fromkeys(others)


def _out_of_reach(imports: Sequence[Import]) -> Iterator[str]:
    """What every reader wants to be told, and only an absence can tell."""
    if all(each.name.startswith(f"{PACKAGE}/") for each in imports):
        yield "and nothing else: no files, no network, no time, no random numbers"


def _core_modules(modules: Sequence[CoreModule]) -> list[str]:
    """Largest first; of the small ones, which only connect the others, their number."""
    large = sorted((each for each in modules if each.size >= SMALL), key=lambda each: -each.size)
    shown = [f"sha256:{each.digest}  {each.size:>10,} bytes" for each in large]
    small = [each.size for each in modules if each.size < SMALL]
    return [*shown, f"and {len(small)} small ones, together {sum(small):,} bytes"] if small else shown


def _imports(imports: Sequence[Import]) -> list[str]:
    width = max((len(each.name) for each in imports), default=0)
    return [f"{each.name:<{width}}  {_offered(each)}" for each in imports]


def _offered(each: Import) -> str:
    if each.served is None:
        return "not offered by this proxy"
    needs = f"needs `grants: [{each.grant}]`" if each.grant else "needs no grant"
    return needs if each.served == each.name else f"{needs}; served by {each.served}"
