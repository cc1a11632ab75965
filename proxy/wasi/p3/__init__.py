"""WASI 0.3: what components of its worlds import, on asyncio.

Components that import some of 0.2 besides, as what their toolchain put in them does, get that too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.component import HostInterface
from proxy.wasi.files import Folder
from proxy.wasi.http import Visit
from proxy.wasi.p3 import cli, clocks, filesystem, http, random, sockets
from proxy.wasi.sockets import Network

__all__ = ["VERSION", "handler_interfaces"]

VERSION = "0.3.0"


def handler_interfaces(
    environment: Mapping[str, str], folders: Sequence[Folder] = (), network: Network | None = None
) -> dict[str, HostInterface]:
    """The host interfaces of 0.3 for a component that handles exchanges, which has a Handling as its data."""
    offered = {
        **cli.interfaces(Visit.print_line, environment),
        **clocks.interfaces(_pure),
        **random.interfaces(_pure),
        **filesystem.interfaces(folders),
        **sockets.interfaces(network),
        **http.interfaces(),
    }
    return {f"wasi:{name}@{VERSION}": interface for name, interface in offered.items()}


def _pure(data: Any) -> None:
    """Runs of these components are not remembered, so nothing they do matters for that."""
