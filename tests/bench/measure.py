"""Measuring: servers started, looked at, and loaded in alternating rounds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from tests.bench import browsers, certificate, h2load, wrk
from tests.bench.load import Load
from tests.bench.machine import Machine, cipher, cpu_seconds, get
from tests.bench.sample import Sample
from tests.bench.servers import envoy, nginx, sluice, varnish
from tests.bench.target import CACHED, FILTERS_OF, Case, Missing, Site, Target

SERVERS: dict[str, Callable[[Machine, Site], Iterator[Target]]] = {
    "sluice": sluice.start,
    "nginx": nginx.start,
    "varnish": varnish.start,
    "envoy": envoy.start,
}

ASKED = 8
"""Requests for each worker, to see what it answers."""

TRIES = 3
"""Each twice as long as the one before. On a busy machine it happens that wrk has not a single answer in its time, and
that the time of h2load is over before it has connected, whereupon it never ends."""

Samples = Mapping[Target, Sequence[Sample]]
"""For each target one sample of each round."""

Wanted = Callable[[Case, str], bool]
"""Whether a case is to be measured at a server."""


def measured(
    loads: Collection[Load], wanted: Wanted, cores: Sequence[int], rounds: int, seconds: int
) -> Iterator[tuple[Load, Samples]]:
    """Each of the loads at every target, those of the same number of workers at the same processes."""
    for workers, alike in groupby(sorted(loads, key=lambda load: load.workers), lambda load: load.workers):
        with running(wanted, cores, workers) as (machine, targets):
            for load in alike:
                yield load, _rounds(machine, [t for t in targets if _is_right(t, load)], load, rounds, seconds)


@contextmanager
def running(wanted: Wanted, cores: Sequence[int], workers: int = 1) -> Iterator[tuple[Machine, list[Target]]]:
    """Every target that is wanted; what is missing is said."""
    with tempfile.TemporaryDirectory() as scratch, Machine(Path(scratch), cores, workers) as machine:
        site = Site(nginx.start_origin(machine), *certificate.write(machine.scratch))
        targets: list[Target] = []
        for name, start in SERVERS.items():
            if any(wanted(case, name) for case in Case):
                try:
                    targets.extend(target for target in start(machine, site) if wanted(target.case, name))
                except Missing as missing:
                    print(f"missing: {missing}", file=sys.stderr)
        if len(ciphers := {cipher(target.port) for target in targets if target.secure}) > 1:
            raise RuntimeError(f"the servers do not agree on a cipher: {ciphers}")
        yield machine, targets


def _is_right(target: Target, load: Load) -> bool:
    if problem := _problem(target, load):
        print(f"not measured: {target.case.value} at {target.server}, {load.name}: {problem}", file=sys.stderr)
    return not problem


def _problem(target: Target, load: Load) -> str:
    """Is what answers there what the case is about? "" when it is."""

    def answers() -> list[tuple[int, dict[str, str], bytes]]:
        return [get(target.port, load.path, secure=target.secure) for _ in range(ASKED * load.workers)]

    answers()  # each worker has it in its cache now, very likely
    (status, first, body), *others = answers()
    made = len({first["x-serial"], *(fields["x-serial"] for _, fields, _ in others)})
    filters = range(1, FILTERS_OF.get(target.case, 0) + 1)
    if status != 200 or body != nginx.body(load.size).encode():
        return f"it answers {status} with {len(body)} bytes"
    if target.case in CACHED and made > load.workers:
        return "no hit"
    if target.case not in CACHED and made <= len(others):
        return "a hit"
    if first.get("x-saw", "") != "1" * len(filters) or any(first.get(f"x-filtered-{n}") != "1" for n in filters):
        return f"its filters did not do their work: {first}"
    return ""


def _rounds(machine: Machine, targets: Sequence[Target], load: Load, rounds: int, seconds: int) -> Samples:
    for target in targets:
        measure(machine, target, load, 1)  # warm
    samples: dict[Target, list[Sample]] = {target: [] for target in targets}
    for n in range(rounds):
        print(f"{load.name}: round {n + 1} of {rounds}", file=sys.stderr, flush=True)
        for target in targets:
            samples[target].append(measure(machine, target, load, seconds))
    return samples


def measure(machine: Machine, target: Target, load: Load, seconds: int) -> Sample:
    """One measurement."""
    failed: Exception | None = None
    for more in range(TRIES):
        try:
            return _measure(machine, target, load, seconds << more)
        except (subprocess.TimeoutExpired, ValueError) as error:
            failed = error
    raise RuntimeError(f"{target.case.value} at {target.server}, {load.name}: {failed}")


def _measure(machine: Machine, target: Target, load: Load, seconds: int) -> Sample:
    log = machine.scratch / "h2load.log"
    log.unlink(missing_ok=True)  # it is appended to
    over_http2 = target.case is Case.HIT_HTTP2
    command = (_h2load if over_http2 else _wrk)(machine.scratch, target, load, seconds)
    before = cpu_seconds(target.pid)
    done = subprocess.run(
        machine.beside(command), capture_output=True, text=True, timeout=seconds + 30, cwd=machine.scratch
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    now = cpu_seconds(target.pid)
    spent = now[0] - before[0], now[1] - before[1]
    return h2load.parse(done.stdout, log.read_text(), spent) if over_http2 else wrk.parse(done.stdout, spent)


def _wrk(folder: Path, target: Target, load: Load, seconds: int) -> list[str]:
    if not load.browsers:
        return wrk.command(load, seconds, None, target.url(load.path))
    script = folder / "browsers.lua"
    script.write_text(browsers.script(load.path, browsers.asks()))
    return wrk.command(load, seconds, str(script), target.url(load.path))


def _h2load(folder: Path, target: Target, load: Load, seconds: int) -> list[str]:
    asked = browsers.asks() if load.browsers else []
    urls = [target.url(f"{load.path}?{query}") for query in sorted({ask.query for ask in asked})]
    fields = asked[0].fields if asked else ()
    return h2load.command(load, seconds, "h2load.log", urls or [target.url(load.path)], fields)
