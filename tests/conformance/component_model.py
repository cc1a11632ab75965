"""The Component Model's reference tests, or any others, against this project's component host.

    python -m tests.conformance.component_model DIR

runs every .wast below DIR, each in a process of its own, and prints a line per file and, last, "N passed, M failed":
commands of scripts. What a script did not get to is failed. A failure listed in the expected-failures file is neither;
it has a line `path[:line] reason` for each, where the path is a file, or a folder with a slash at its end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

EXPECTED_FAILURES = Path(__file__).with_name("expected_failures.txt")
TIMEOUT = 120.0


@dataclass
class Outcome:
    """Of one file. `failures` are (line, why), line 0 for the file as such."""

    passed: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ExpectedFailure:
    path: str
    line: int | None
    reason: str

    def covers(self, file: Path, line: int) -> bool:
        where = f"/{file.as_posix().lstrip('/')}"
        found = f"/{self.path}" in where if self.path.endswith("/") else where.endswith(f"/{self.path}")
        return found and self.line in (None, line)


def expected_failures(text: str) -> list[ExpectedFailure]:
    """The entries of an expected-failures file. Raises ValueError for a line without a reason."""
    found = []
    for entry in text.splitlines():
        if not entry.strip() or entry.startswith("#"):
            continue
        where, _, reason = entry.partition(" ")
        if not reason.strip():
            raise ValueError(f"{entry!r} gives no reason")
        path, _, line = where.partition(":")
        found.append(ExpectedFailure(path, int(line) if line else None, reason.strip()))
    return found


def run_file(file: Path, timeout: float) -> Outcome:
    """Runs one script in a process of its own."""
    worker = [sys.executable, "-m", "tests.conformance.worker", str(file)]
    try:
        done = subprocess.run(worker, capture_output=True, timeout=timeout, check=False)
        output, end = done.stdout, _end(done.returncode, done.stderr)
    except subprocess.TimeoutExpired as expired:
        output, end = expired.stdout or b"", f"not done after {timeout:g} s"
    return _outcome(output.decode(errors="replace").splitlines(), end)


def _end(status: int, errors: bytes) -> str | None:
    if status == 0:
        return None
    if status < 0:
        return f"the process was ended by signal {-status}"
    return errors.decode(errors="replace").strip() or f"the process ended with status {status}"


def _outcome(output: Sequence[str], end: str | None) -> Outcome:
    if not output:
        return Outcome(0, [(0, end or "no result")])
    lines, results = json.loads(output[0]), [json.loads(text) for text in output[1:]]
    outcome = Outcome(sum(why is None for _, why in results))
    outcome.failures = [(line, why) for line, why in results if why is not None]
    outcome.failures += [(line, f"not run: {end}") for line in lines[len(results) :]]
    return outcome


def run(files: Sequence[Path], timeout: float, jobs: int) -> Iterator[tuple[Path, Outcome]]:
    """Runs files, `jobs` at a time; outcomes in the order of the files."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from zip(files, pool.map(lambda file: run_file(file, timeout), files), strict=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.component_model", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--expected-failures", type=Path, default=EXPECTED_FAILURES, metavar="FILE")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for each file")
    parser.add_argument("--jobs", type=int, default=2, help="files at a time")
    options = parser.parse_args(arguments)
    files = sorted(path for path in options.directory.rglob("*.wast") if path.is_file())
    if not files:
        parser.error(f"there is no .wast file below {options.directory}")
    expected = expected_failures(options.expected_failures.read_text())
    passed = failed = 0
    for file, outcome in run(files, options.timeout, options.jobs):
        unexpected = [(line, why) for line, why in outcome.failures if not _listed(expected, file, line)]
        passed += outcome.passed
        failed += len(unexpected)
        _report(file.relative_to(options.directory), outcome, unexpected)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _listed(expected: Sequence[ExpectedFailure], file: Path, line: int) -> bool:
    return any(entry.covers(file.resolve(), line) for entry in expected)


def _report(file: Path, outcome: Outcome, unexpected: Sequence[tuple[int, str]]) -> None:
    known = len(outcome.failures) - len(unexpected)
    print(f"{file}: {outcome.passed} passed, {len(unexpected)} failed" + f", {known} expected to fail" * (known > 0))
    for line, why in unexpected:
        print(f"  {file}:{line}: {why}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
