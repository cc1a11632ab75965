"""`sluice status`: how a proxy that runs is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from proxy.cli.admin import AdminRefused, demand
from proxy.config.errors import ConfigErrors
from proxy.config.loader import load


@click.command(name="status")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="What the admin listener says, as one JSON document.")
def command(config: Path, as_json: bool) -> None:
    """Show the processes, listeners, filters and upstreams of the proxy that runs CONFIG.

    Ends with status 0 when it serves; with 1 when it does not, not with every filter, or cannot be asked; with 2 when
    CONFIG is wrong.
    """
    try:
        admin = load(config).config.admin
        status = {**demand(admin, "/status"), "upstreams": demand(admin, "/upstreams")}
    except (ConfigErrors, AdminRefused) as error:
        click.echo(str(error), err=True)
        sys.exit(1 if isinstance(error, AdminRefused) else 2)
    click.echo(json.dumps(status, indent=2) if as_json else "\n".join(lines(status)))
    sys.exit(0 if serves(status) else 1)


def serves(status: dict[str, Any]) -> bool:
    ready = all(each["state"] == "ready" for each in status["filters"])
    return bool(status["workers"]) and ready and not status["draining"]


def lines(status: dict[str, Any]) -> Iterator[str]:
    """For people."""
    yield f"{'serving' if serves(status) else 'draining' if status['draining'] else 'not ready'}: {status['config']}"
    yield (
        f"supervisor  pid {status['pid']}, up {_span(status['uptime'])}, version {status['version']}, "
        f"generation {status['generation']}"
    )
    for each in status["workers"]:
        yield (
            f"worker {each['worker']}    pid {each['pid']}, up {_span(each['uptime'])}, generation "
            f"{each['generation']}, {each['connections']} connections, {each['running']} exchanges"
        )
    for address in status["listeners"]:
        yield f"listener    {address}"
    for each in status["filters"]:
        yield f"filter      {each['name']}  {each['state']}  {each['digest'][:19]}"
    for upstream in status["upstreams"]:
        for each in upstream["endpoints"]:
            yield (
                f"upstream    {upstream['upstream']}  {each['endpoint']}  {each['state']}, {each['active']} active, "
                f"{each['requests']} requests, {sum(each['failures'].values())} failures"
            )


def _span(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
