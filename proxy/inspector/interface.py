"""Starts mitmproxy in reverse mode, with one of its interfaces, and a chain behind it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mitmproxy.exceptions import OptionsError
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools.console.master import ConsoleMaster
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web.master import WebMaster

from proxy.inspector import view
from proxy.inspector.addon import Bound, Chain, Handler

MASTERS: dict[str, type[ConsoleMaster] | type[DumpMaster] | type[WebMaster]] = {
    "web": WebMaster,
    "tui": ConsoleMaster,
    "dump": DumpMaster,
}


@dataclass(frozen=True, slots=True)
class Session:
    """interface: mitmproxy's. listen: where clients connect; web: where the browser does. keep: flows that are held,
    and keep_bytes of their bodies; older ones are dropped. save: a flow file to write, or None. options: mitmproxy's,
    as NAME=VALUE."""

    listen: tuple[str, int]
    interface: Literal["web", "tui", "dump"] = "web"
    web: tuple[str, int] = ("127.0.0.1", 8081)
    keep: int = 2000
    keep_bytes: int = 256 << 20
    save: str | None = None
    options: Sequence[str] = ()


class BadOption(ValueError):
    """mitmproxy does not take an option. The text says which and why."""


async def serve(
    session: Session,
    handler: Handler,
    doubts: Callable[[], list[str]] = list,
    on_master: Callable[[Master], object] = lambda _: None,
) -> None:
    """Until it is asked to stop. Raises BadOption. on_master: is given mitmproxy's master before it runs."""
    view.register()
    try:
        master = MASTERS[session.interface](Options())
        master.addons.add(Chain(handler, doubts), Bound(session.keep, session.keep_bytes))
        master.options.update(**_options(session, master.options))
        master.options.set(*session.options)
    except OptionsError as error:
        raise BadOption(str(error)) from error
    for quiet in ("tornado", "asyncio", "hpack", "quic"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    _end_on_signals(master)
    on_master(master)
    await master.run()


def _options(session: Session, known: Any) -> dict[str, Any]:
    host, port = session.listen
    options: dict[str, Any] = {
        # The chain answers everything, so this origin is never asked.
        "mode": [f"reverse:http://{host if ':' not in host else f'[{host}]'}:{port or 80}"],
        "listen_host": host,
        "listen_port": port,
        "connection_strategy": "lazy",
        "keep_host_header": True,
        "web_host": session.web[0],
        "web_port": session.web[1],
        "web_open_browser": False,
        "save_stream_file": session.save,
        "console_default_contentview": view.StoryView.name,
        "dumper_default_contentview": view.StoryView.name,
    }
    return {name: value for name, value in options.items() if name in known}


def _end_on_signals(master: Master) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, getattr(master, "prompt_for_exit", master.shutdown))
    loop.add_signal_handler(signal.SIGTERM, master.shutdown)
