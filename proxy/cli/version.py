"""`sluice version`: what a bug report needs."""

from __future__ import annotations

import sys
from importlib.metadata import version

import click

from proxy import __version__


@click.command(name="version")
def command() -> None:
    """Print the versions of Sluicegate, its engine and Python."""
    python = ".".join(map(str, sys.version_info[:3]))
    click.echo(f"sluice {__version__} (wasmtime {version('wasmtime')}, Python {python})")
