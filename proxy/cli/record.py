"""`sluice record`: traffic of a running proxy, into a file."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import closing, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from proxy.cli import needs
from proxy.cli.admin import AdminRefused, connect
from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.inspector.record import from_json


@click.command(name="record")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--count", type=click.IntRange(1), help="End after so many exchanges.")
@click.option("--seconds", type=click.FloatRange(0.1), help="End after so long.")
@click.option(
    "--share", default=1.0, show_default=True, type=click.FloatRange(0, 1, min_open=True), help="Of them all."
)
@click.option("--route", help="Only exchanges of this route, as logs name it.")
@click.option("--reveal", multiple=True, metavar="NAME", help="A field whose values are kept though they are secrets.")
@click.option("--hide", multiple=True, metavar="NAME", help="A further field whose values are left out.")
def command(
    config: Path,
    file: Path,
    count: int | None,
    seconds: float | None,
    share: float,
    route: str | None,
    reveal: tuple[str, ...],
    hide: tuple[str, ...],
) -> None:
    """Record what a proxy that runs with CONFIG does, and what its origins answer, into FILE until Ctrl-C.

    FILE is written as HAR when its name ends in .har, else as a flow file of mitmproxy. The proxy is asked through its
    admin listener. It leaves out the values of Authorization, Cookie, Proxy-Authorization and Set-Cookie.
    """
    with needs.mitmproxy():
        from proxy.inspector.files import Writer
    query: list[tuple[str, Any]] = [("share", share), *(("reveal", name) for name in reveal)]
    query += [("hide", name) for name in hide] + ([("route", route)] if route is not None else [])
    try:
        admin = load(config).config.admin
        response = connect(admin, f"/record?{urlencode(query)}", patience=None)
        if response is None:
            where = f"answers on {admin.address}" if admin is not None else "can be asked: CONFIG has no `admin`"
            raise AdminRefused(f"no proxy {where}")
        with response, closing(Writer(file)) as writer:
            click.echo(f"recording into {file}; Ctrl-C ends it", err=True)
            recorded, dropped = _record(response, writer, count, seconds)
    except (ConfigErrors, AdminRefused, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(
        f"{recorded} exchanges in {file}" + (f", {dropped} were left out as they came too fast" if dropped else "")
    )


def _record(response: HTTPResponse, writer: Any, count: int | None, seconds: float | None) -> tuple[int, int]:
    recorded = dropped = 0
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds or 0)
    with suppress(KeyboardInterrupt):
        for line in response:
            said = json.loads(line)
            if "dropped" in said:
                dropped += said["dropped"]
                continue
            writer.add(from_json(said))
            recorded += 1
            if recorded == count:
                break
    signal.setitimer(signal.ITIMER_REAL, 0)
    return recorded, dropped
