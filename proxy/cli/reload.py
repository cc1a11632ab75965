"""`sluice reload`: put in effect what the configuration of a proxy that runs says now."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from proxy.cli.admin import AdminRefused, demand
from proxy.config.errors import ConfigErrors
from proxy.config.loader import load


@click.command(name="reload")
@click.argument("config", type=click.Path(path_type=Path))
def command(config: Path) -> None:
    """Have the proxy that runs CONFIG take it over as it is on disk now, components and certificates too.

    It is done in every worker when the command ends with status 0. With 2 CONFIG is wrong, with 1 the proxy refused or
    cannot be asked; then everything stays as it is.
    """
    try:
        admin = load(config).config.admin
        demand(admin, "/reload", {})
        now = demand(admin, "/status")
    except (ConfigErrors, AdminRefused) as error:
        click.echo(str(error), err=True)
        sys.exit(1 if isinstance(error, AdminRefused) else 2)
    click.echo(f"reloaded {now['config']}: generation {now['generation']} in {len(now['workers'])} workers")
