"""The tests of cache-tests.fyi against this project's cache.

    python -m tests.conformance.http_cache

installs the npm package `http-cache-tests` (once, into a cache directory), starts its origin and a proxy on loopback
and runs every test through them. Needs Node.js. It prints the totals as cache-tests.fyi counts them: a test whose
prerequisites fail does not count. Failed tests of the kinds `required` and `optimal` are printed with our reason from
the expected-failures file (a line `id reason` for each); one that is not listed there makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

HERE = Path(__file__).parent
PACKAGE = "http-cache-tests@0.4.5"
EXPECTED_FAILURES = HERE / "expected_failures.txt"
CONFIG = HERE / "proxy.yaml"
COUNTED = ("required", "optimal")
TIMEOUT = 600.0


@dataclass(frozen=True)
class Result:
    """One test and how it ended. failure: None when it passed by itself."""

    id: str
    group: str
    kind: str
    needs: tuple[str, ...]
    failure: str | None


def expected_failures(text: str) -> dict[str, str]:
    """Reasons by test id. Raises ValueError for a line without a reason."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            id, _, reason = line.partition(" ")
            if not reason.strip():
                raise ValueError(f"{line!r} gives no reason")
            found[id] = reason.strip()
    return found


def unmet(tests: Mapping[str, Result], id: str) -> str | None:
    """The id of the test that is to blame when this one does not count as passed: itself, or one it needs."""
    test = tests[id]
    for needed in test.needs:
        if (blamed := unmet(tests, needed)) is not None:
            return blamed
    return id if test.failure is not None else None


def report(tests: Mapping[str, Result], expected: Mapping[str, str]) -> bool:
    """Prints failures and totals. Whether every failure that counts was expected."""
    unexpected = 0
    for test in tests.values():
        blamed = unmet(tests, test.id)
        if blamed is None or test.kind not in COUNTED:
            continue
        reason = expected.get(blamed)
        unexpected += reason is None
        because = "" if blamed == test.id else f" (needs {blamed})"
        print(f"{'UNEXPECTED' if reason is None else 'expected'}: {test.kind} {test.group}/{test.id}{because}")
        print(f"    {test.failure or 'passes by itself'}" + (f"\n    {reason}" if reason is not None else ""))
    for kind in (*COUNTED, "check"):
        of_kind = [test.id for test in tests.values() if test.kind == kind]
        print(f"{kind}: {sum(unmet(tests, id) is None for id in of_kind)} of {len(of_kind)}")
    print(f"{sum(unmet(tests, id) is None for id in tests)} passed, {unexpected} failed")
    return not unexpected


def installed() -> Path:
    """The folder of the npm package."""
    base = os.environ.get("XDG_CACHE_HOME")
    directory = (Path(base) if base else Path.home() / ".cache") / "sluicegate" / PACKAGE
    package = directory / "node_modules" / PACKAGE.partition("@")[0]
    if not package.exists():
        directory.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", str(directory), PACKAGE]
        subprocess.run(command, check=True)
    return package


@contextmanager
def started(command: Sequence[str], ready: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """A process that says `ready` and something more once it serves, for as long as the context lasts: the rest."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})}
    )
    assert process.stdout is not None
    try:
        with process.stdout as output:
            line = next((line for line in output if line.startswith(ready)), None)
            if line is None:
                raise RuntimeError(f"{command[0]} ended with status {process.wait()}")
            reader = Thread(target=sys.stderr.writelines, args=(output,))  # else the pipe fills, and the process waits
            reader.start()
            try:
                yield line.removeprefix(ready).strip()
            finally:
                process.kill()
                reader.join()
    finally:
        process.kill()
        process.wait()


def run(suite: Path, config: Path) -> dict[str, Result]:
    """Runs the suite: its tests by id."""
    sluice = [sys.executable, "-c", "from proxy.cli import main; main()", "run", str(config)]
    with (
        started(["node", str(HERE / "origin.mjs"), str(suite)], "port ") as port,
        started(sluice, "listening on ", {"ORIGIN_PORT": port}) as base,
    ):
        client = ["node", "--no-warnings", str(HERE / "client.mjs"), str(suite), base]
        done = subprocess.run(client, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT, text=True)
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return {line["id"]: Result(**{**line, "needs": tuple(line["needs"])}) for line in lines}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.http_cache", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--suite", type=Path, metavar="DIR", help="a checkout of the suite, in place of the package")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help="of the proxy; gets ORIGIN_PORT")
    parser.add_argument("--expected-failures", type=Path, default=EXPECTED_FAILURES, metavar="FILE")
    options = parser.parse_args(arguments)
    expected = expected_failures(options.expected_failures.read_text())
    suite = options.suite.resolve() if options.suite is not None else installed()
    return 0 if report(run(suite, options.config), expected) else 1


if __name__ == "__main__":
    sys.exit(main())
