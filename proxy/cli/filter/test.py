"""`sluice filter test`: cases from YAML files, run on the production host."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import randrange

import click

from proxy.config.errors import ConfigErrors
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.workshop.cases import CaseFile, load
from proxy.workshop.progress import progress
from proxy.workshop.report import failure, leak
from proxy.workshop.shuffle import leaks
from proxy.workshop.trial import try_case

SEEDS = 1_000_000


class _Test(click.Command):
    """With an option whose value may be left out, also before the files: click would take one of them for it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f"--shuffle={randrange(SEEDS)}" if arg == "--shuffle" else arg for arg in args])


@click.command(name="test", cls=_Test)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="[FILE.wasm] CASES.yaml…")
@click.option(
    "--shuffle",
    "seed",
    type=click.IntRange(min=0),
    metavar="[=SEED]",
    help="Run the cases once more, in a shuffled order in one instance, and tell which come out otherwise than alone. "
    "SEED repeats an order.",
)
def command(files: tuple[Path, ...], seed: int | None) -> None:
    """Run the cases of each CASES.yaml on the filter it names, or on FILE.wasm.

    \b
    A case says what comes to the filter and what must come of it:
        filter: {component: hello.wasm, config: {greeting: hello}}
        cases:
          - name: the origin is told
            request: {url: /shop, headers: {accept-language: fr}}
            response: {status: 200, body: text}
            expect:
              request: {headers: {x-hello: hello}}
              reads: [header(accept-language)]

    Each is run in the same host that serves traffic, once with the filter and once from what was remembered of that
    run; both must come out the same. docs/writing-filters.md has all the keys.

    With --shuffle they are also run one after the other in one instance: a case that then comes out otherwise found
    what another had left in the guest's memory, so instances of this component must not be used again.

    Exits with 1 when a case fails or something leaks, with 2 when a file is wrong. pytest runs the same files, if their
    names end in .filter-test.yaml.
    """
    component, cases = _arguments(files)
    try:
        loaded = [load(file, component) for file in cases]
        with closing(Engine(code_cache())) as engine:
            failed = leaked = 0
            for file in loaded:
                failed += _test(file, engine)
                leaked += 0 if seed is None else _shuffle(file, seed, engine)
    except ConfigErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    total = sum(len(file.suite.cases) for file in loaded)
    click.echo(f"{total - failed} passed, {failed} failed" + ("" if seed is None else f", {leaked} leaked"))
    sys.exit(1 if failed or leaked else 0)


def _arguments(files: Sequence[Path]) -> tuple[Path | None, Sequence[Path]]:
    components = [file for file in files if file.suffix == ".wasm"]
    cases = [file for file in files if file.suffix != ".wasm"]
    if len(components) > 1 or not cases:
        raise click.UsageError(
            "give the YAML files with the cases, and at most one .wasm file to test instead of theirs"
        )
    return components[0] if components else None, cases


def _test(file: CaseFile, engine: Engine) -> int:
    """How many cases failed."""
    failed = 0
    click.echo(file.path)
    for index, case in enumerate(file.suite.cases):
        with progress(f"{file.path}: {case.name}"):
            trial = try_case(file, index, engine)
        if trial.passed:
            click.echo(f"  ok      {case.name}" + (" (also remembered)" if trial.remembered else ""))
        else:
            failed += 1
            line, _ = file.position(("cases", index))
            click.echo(f"  FAILED  {case.name} ({file.path}:{line})")
            for told in failure(file, index, trial):
                click.echo(f"          {told}")
    return failed


def _shuffle(file: CaseFile, seed: int, engine: Engine) -> int:
    """How many cases found what others had left."""
    click.echo(f"  in one instance, forwards and backwards (--shuffle={seed})")
    leaked = 0
    with progress(f"{file.path}: shuffled"):
        for found in leaks(file, seed, engine):
            leaked += 1
            first, *more = leak(file, found)
            click.echo(f"  LEAKED  {first}")
            for told in more:
                click.echo(f"          {told}")
    return leaked
