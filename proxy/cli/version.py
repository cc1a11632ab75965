"""`sluice version`: what a bug report needs."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import click

from proxy import __version__, errors


@click.command(name="version")
def command() -> None:
    """Print the versions of Sluicegate, its engine and Python, and whether it was compiled."""
    python = ".".join(map(str, sys.version_info[:3]))
    compiled = "" if Path(errors.__file__).suffix == ".py" else ", compiled"
    click.echo(f"sluice {__version__} (wasmtime {version('wasmtime')}, Python {python}{compiled})")
