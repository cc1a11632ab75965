"""What failed, for people."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.config.errors import quoted, show_path
from proxy.workshop.cases import CaseFile
from proxy.workshop.shuffle import Leak
from proxy.workshop.trial import Trial


def failure(file: CaseFile, index: int, trial: Trial) -> Iterator[str]:
    """Each difference at the line of the file that says otherwise, in its order; then what was logged."""
    placed = [(*file.position(("cases", index, "expect", *each.path)), each) for each in trial.differences]
    for line, column, difference in sorted(placed, key=lambda each: each[:2]):
        yield f"{file.path}:{line}:{column}: {show_path(difference.path)}"
        yield from (f"  {told}" for told in difference.lines)
    yield from (f"logged  {said}" for said in trial.said)


def leak(file: CaseFile, found: Leak) -> Iterator[str]:
    """What is otherwise, and after what; the first line names the case."""
    cases = file.suite.cases
    line, _ = file.position(("cases", found.case))
    before = ", then ".join(quoted(cases[index].name) for index in found.before)
    yield f"{cases[found.case].name} ({file.path}:{line}) after {before} in the same instance"
    for difference in found.differences:
        yield show_path(difference.path)
        yield from (f"  {told}" for told in difference.lines)
