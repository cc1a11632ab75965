"""`sluice replay`: recorded traffic once more."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import click

from proxy.cli import needs
from proxy.config.errors import ConfigErrors, printable
from proxy.config.loader import load
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.server.replay import Outcome, Rerun, compare
from proxy.telemetry import REDACTED


@click.command(name="replay")
@click.argument("recording", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The configuration to try.")
@click.option("--against", type=click.Path(path_type=Path), help="One to compare it with; else what was recorded.")
@click.option("--ignore", multiple=True, metavar="NAME", help="A field of responses that may differ.")
def command(recording: Path, config: Path, against: Path | None, ignore: tuple[str, ...]) -> None:
    """Send the requests of RECORDING through a configuration, with the recorded answers of the origin and no network.

    RECORDING is a flow file (of `sluice record`, `sluice inspect --save` or mitmproxy) or HAR (of these or a browser's
    developer tools). Every difference in status, head and body is printed. Exits with 1 when there are any, with 2 when
    it cannot be tried.
    """
    with needs.mitmproxy():
        from proxy.inspector.files import BadRecording, read
    try:
        records, others = read(recording)
        usable = [record for record in records if record.asked.body is not None]
        with ExitStack() as stack:
            engine = stack.enter_context(closing(Engine(code_cache())))
            rerun = stack.enter_context(closing(Rerun(load(config), engine, usable)))
            beside = stack.enter_context(closing(Rerun(load(against), engine, usable))) if against is not None else None
            with click.progressbar(usable, label="replaying", file=sys.stderr) as bar:
                ignored = frozenset(name.lower() for name in ignore)
                outcomes = asyncio.run(compare(bar, rerun, beside, ignored))
    except (ConfigErrors, BadRecording) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    for number, outcome in enumerate(outcomes, 1):
        for line in _told(number, outcome):
            click.echo(printable(line))
    different = sum(bool(outcome.lines) for outcome in outcomes)
    untried = sum(bool(outcome.missing) for outcome in outcomes)
    same = len(outcomes) - different - untried
    click.echo(f"{len(outcomes)} exchanges: {same} the same, {different} differ, {untried} could not be tried")
    if left_out := others + len(records) - len(usable):
        click.echo(f"{left_out} entries were left out: without an answer, or without all of the request's body")
    if any(value == REDACTED for record in usable for _, value in record.asked.lines):
        click.echo("fields of requests are redacted: `sluice record --reveal NAME` keeps those that filters need")
    for name, run in ((config, rerun), (against, beside)):
        for line in _caches(run) if run is not None else ():
            click.echo(f"{name}: {line}")
    sys.exit(1 if different else 0)


def _told(number: int, outcome: Outcome) -> Iterator[str]:
    if outcome.lines or outcome.missing:
        yield f"#{number} {outcome.record.asked.method} {outcome.record.asked.url}"
        yield from (f"  not tried: {asked} was not recorded" for asked in outcome.missing)
        yield from (f"  {line}" for line in outcome.lines)


def _caches(rerun: Rerun) -> Iterator[str]:
    for name in dict.fromkeys(cache for cache, _ in rerun.outcomes):
        of_it = {outcome: count for (cache, outcome), count in rerun.outcomes.items() if cache == name}
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(of_it.items()))
        yield f"cache {name}: {told}"
