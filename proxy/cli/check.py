"""`sluice check`: everything that can be known to be wrong before a request comes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load


@click.command(name="check")
@click.argument("config", type=click.Path(path_type=Path))
def command(config: Path) -> None:
    """Validate CONFIG without serving.

    Prints every mistake with its place on standard error, and exits with 2 when there are any.
    """
    try:
        load(config)
    except ConfigErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    click.echo(f"{config}: ok")
