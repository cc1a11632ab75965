"""How the wheel is built: pyproject.toml says the rest.

Ordinarily of the source as it is. With SLUICEGATE_COMPILE=1 in the environment, the modules below are compiled by mypyc
(part of mypy), which needs a C compiler and the headers of Python. Their source stays in the wheel, for tracebacks.
"""

import os
from glob import glob
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.dist import Distribution
from setuptools.errors import SetupError

COMPILED = (
    "proxy/errors.py",
    "proxy/cache/*.py",
    "proxy/chain/*.py",
    "proxy/codec/**/*.py",
    "proxy/component/bare.py",
    "proxy/component/core_functions.py",
    "proxy/component/instance.py",
    "proxy/component/rewind.py",
    "proxy/component/tasks/state.py",
    "proxy/downstream/*.py",
    "proxy/exchange/*.py",
    "proxy/http/*.py",
    "proxy/sandbox/image.py",
    "proxy/sandbox/pages.py",
    "proxy/sandbox/store.py",
    "proxy/sandbox/ticker.py",
    "proxy/sluice/*.py",
    "proxy/stages/*.py",
    "proxy/telemetry/metrics.py",
    "proxy/upstream/*.py",
)
"""What every exchange passes through. No class of these may derive from another library's: where a wheel is built in
isolation that is not there, mypyc takes the base for nothing, and the class is broken. telemetry/collected.py has one.
Nor may an interpreted class derive from one of these: tasks do from one of component/handles.py."""

INTERPRETED = {
    "**/__init__.py": "only imports",
    "proxy/cache/disk*.py": "waits for the disk",
    "proxy/cache/search.py": "runs for an operator",
    "proxy/cache/spool.py": "waits for the disk",
    "proxy/cache/sqlite.py": "waits for the disk",
    "proxy/cache/tiered.py": "waits for the disk",
    "proxy/codec/http3/server.py": "matches classes of aioquic, which need not be there when the wheel is built",
    "proxy/codec/quic/*.py": "what takes time is aioquic",
    "proxy/downstream/bind*.py": "runs at the start",
    "proxy/downstream/datagrams.py": "what takes time is aioquic",
    "proxy/downstream/listener.py": "runs for each connection, not for each exchange",
    "proxy/downstream/relayed.py": "runs for each connection, not for each exchange",
    "proxy/downstream/secure.py": "what takes time is TLS",
    "proxy/upstream/checks.py": "runs now and then",
    "proxy/upstream/connect.py": "runs for each connection, not for each exchange",
    "proxy/upstream/discovery.py": "runs now and then",
    "proxy/upstream/dns.py": "runs now and then",
    "proxy/upstream/names.py": "runs now and then",
    "proxy/upstream/secure.py": "what takes time is TLS",
}
"""Of those, what is left as it is, and why."""


def modules() -> list[str]:
    def matching(patterns: Any) -> set[str]:
        return {path for pattern in patterns for path in glob(pattern, recursive=True)}

    return sorted(matching(COMPILED) - matching(INTERPRETED))


class Compile(build_ext):
    def finalize_options(self) -> None:
        if self.editable_mode or self.inplace:
            raise SetupError("SLUICEGATE_COMPILE is for wheels: what is installed with --editable runs the source")
        from mypyc.build import mypycify  # not there yet when pip asks what the build needs

        # Types are checked by ./scripts/test; here they are only read, and of libraries that may not be installed.
        read = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
        self.distribution.ext_modules = mypycify(
            [*read, *modules()],
            opt_level="2",
            debug_level="0",
            # One file for all of it takes gcc many times as long.
            multi_file=True,
            group_name="sluicegate",
            target_dir="build/mypyc",
        )
        super().finalize_options()


class Compiled(Distribution):
    def has_ext_modules(self) -> bool:
        return True


if os.environ.get("SLUICEGATE_COMPILE") == "1":
    setup(distclass=Compiled, cmdclass={"build_ext": Compile}, setup_requires=["mypy>=2.4,<3", "types-cachetools"])
else:
    setup()
