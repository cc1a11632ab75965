"""`sluice run`: serve a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.config.values import Address
from proxy.downstream import Listener
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.server.serve import Server, serve_forever
from proxy.telemetry import configure
from proxy.telemetry.app_log import LEVELS
from proxy.telemetry.tracing import TracingError


@click.command(name="run")
@click.argument("config", type=click.Path(path_type=Path))
def command(config: Path) -> None:
    """Serve CONFIG.

    SIGTERM and SIGINT finish what runs and stop, a second one stops at once; SIGHUP reloads CONFIG, and keeps what
    was there if the new one is wrong.
    """
    try:
        file = load(config)
        configure(level=LEVELS[file.config.log.level])
        serve_forever(file, Engine(code_cache()), _ready)
    except (ConfigErrors, OSError, TracingError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _ready(server: Server) -> None:
    for listener in server.listeners:
        _announce("listening", listener)
    if server.admin is not None:
        _announce("admin", server.admin)


def _announce(what: str, listener: Listener) -> None:
    for host, port in listener.addresses:
        click.echo(f"{what} on {listener.service.scheme}://{Address(host, port)}", err=True)
