"""Makes tests of the cases in files named *.filter-test.yaml, for pytest: each case is one.

pytest loads it by its entry point, in every run of everybody who has this package; so what is needed is imported only
when there is such a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from proxy.sandbox import Engine
    from proxy.workshop.cases import CaseFile

SUFFIXES = (".filter-test.yaml", ".filter-test.yml")

_ENGINE: pytest.StashKey[Engine] = pytest.StashKey()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FilterTests | None:
    if file_path.name.endswith(SUFFIXES):
        return FilterTests.from_parent(parent, path=file_path)
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    if _ENGINE in config.stash:
        config.stash[_ENGINE].close()


def _engine(config: pytest.Config) -> Engine:
    """One for all cases of a run: what it compiled once serves them all."""
    from proxy.sandbox import Engine
    from proxy.server.code_cache import code_cache

    if _ENGINE not in config.stash:
        config.stash[_ENGINE] = Engine(code_cache())
    return config.stash[_ENGINE]


class FilterTests(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[FilterTest]:
        from proxy.config.errors import ConfigErrors
        from proxy.workshop.cases import load

        try:
            file = load(self.path)
        except ConfigErrors as errors:
            raise self.CollectError(str(errors)) from None
        for index, case in enumerate(file.suite.cases):
            yield FilterTest.from_parent(self, name=case.name, file=file, index=index)


class FilterTest(pytest.Item):
    """A case."""

    def __init__(self, *, file: CaseFile, index: int, **rest: Any) -> None:
        super().__init__(**rest)
        self._file, self._index = file, index

    def runtest(self) -> None:
        from proxy.workshop.report import failure
        from proxy.workshop.trial import try_case

        trial = try_case(self._file, self._index, _engine(self.config))
        if not trial.passed:
            pytest.fail("\n".join(failure(self._file, self._index, trial)), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        line, _ = self._file.position(("cases", self._index))
        return self.path, line - 1, self.name
