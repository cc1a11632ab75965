"""`sluice run`: serve a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from proxy.server.channel import Refused
from proxy.server.supervisor import supervise
from proxy.telemetry.app_log import say


@click.command(name="run")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Reload when CONFIG, a component or a certificate changes.")
def command(config: Path, watch: bool) -> None:
    """Serve CONFIG.

    SIGTERM and SIGINT finish what runs and stop, a second one stops at once; SIGHUP reloads CONFIG, and keeps what
    was there if the new one is wrong.
    """
    try:
        supervise(config, _announce, watch=watch)
    except Refused as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _announce(what: str, url: str) -> None:
    say(f"{what} on {url}")
