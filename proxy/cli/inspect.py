"""`sluice inspect`: the chain behind mitmproxy."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import closing
from pathlib import Path
from typing import Literal

import click

from proxy.cli import needs
from proxy.cli.addresses import ADDRESS, Address
from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.config.values import SocketFile
from proxy.sandbox import Engine
from proxy.server.code_cache import code_cache
from proxy.server.live import Live
from proxy.telemetry.app_log import LEVELS


@click.command(name="inspect")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--tui", "interface", flag_value="tui", type=str, help="mitmproxy's interface for the terminal.")
@click.option("--dump", "interface", flag_value="dump", type=str, help="Print the flows.")
@click.option("--listen", type=ADDRESS, help="Where clients connect; by default the first listener of CONFIG.")
@click.option("--web", type=ADDRESS, default="127.0.0.1:8081", show_default=True, help="Where the browser connects.")
@click.option("--keep", default=2000, show_default=True, help="Flows that are kept; older ones are dropped.")
@click.option("--save", type=click.Path(dir_okay=False), help="A flow file that everything is written to.")
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of mitmproxy.")
def command(
    config: Path,
    interface: Literal["tui", "dump"] | None,
    listen: Address | None,
    web: Address,
    keep: int,
    save: str | None,
    options: tuple[str, ...],
) -> None:
    """See what CONFIG does to each exchange, in mitmproxy's web interface.

    The same chain as `sluice run` has stands behind mitmproxy: each exchange is a flow, and the view `sluice` of its
    messages tells what each stage read, wrote and decided. A request that is edited and replayed goes through the
    chain again. A changed CONFIG or component is in effect for the next request.
    """
    with needs.mitmproxy():
        from proxy.inspector import interface as mitm
    try:
        file = load(config)
        logging.getLogger("proxy").setLevel(LEVELS[file.config.log.level])
        address = listen or file.config.listeners[0].address
        if isinstance(address, SocketFile):
            raise mitm.BadOption(f"mitmproxy does not listen on {address}: say where with --listen host:port")
        session = mitm.Session(
            (address.host, address.port), interface or "web", (web.host, web.port), keep, save=save, options=options
        )

        def announce(master: object) -> None:
            if session.interface == "web":
                # Newer versions have one with a token in it.
                url = getattr(master, "web_url", f"http://{web}/")
                click.echo(f"mitmproxy's web interface on {url}, the chain on http://{address}", err=True)

        async def serve() -> None:
            with closing(Engine(code_cache())) as engine, closing(Live(file, engine)) as live:
                await mitm.serve(session, live, live.wrong, announce)

        asyncio.run(serve())
    except (ConfigErrors, mitm.BadOption) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
