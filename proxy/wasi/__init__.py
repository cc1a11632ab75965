"""WASI 0.2 for guests that import it because their toolchain does, and use little of it.

No files, no network, no arguments, no environment, no input; output goes line by line to the caller; clocks and
randomness only when granted. What makes a run depend on more than what it read of its exchange is reported as it
happens, so that whoever remembers runs knows which not to.

    imports = interfaces({"clocks"}, impure=lambda run: run.taint(), output=lambda run, stream, line: log(line))
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from proxy.component import HostInterface
from proxy.wasi import cli, clocks, filesystem, http, io, random, sockets
from proxy.wasi.files import Folder
from proxy.wasi.http import Visit
from proxy.wasi.output import Output
from proxy.wasi.sockets import Network

__all__ = ["GRANTS", "VERSION", "interfaces", "needed", "service_interfaces"]

VERSION = "0.2.12"
"""Serves guests of any 0.2: the linker matches versions as semver does."""

NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})

GRANTS = {"clocks": clocks.interfaces, "random": random.interfaces}
"""What a guest gets only when it is granted, by the name of the WASI package. `wasi:random/insecure-seed` needs
none."""


def interfaces(
    grants: Collection[str],
    *,
    impure: Callable[[Any], None],
    output: Output,
    environment: Mapping[str, str] = NO_ENVIRONMENT,
) -> dict[str, HostInterface]:
    """The host interfaces by full name, for `link`.

    impure: called as impure(instance.data) before a guest is told the time, a random number or a variable of its
    environment, or prints.
    output: called as output(instance.data, "stdout" or "stderr", line), without the line's end.
    A guest that imports what was not granted is refused by `link`, which names the interface.
    """
    offered = {
        **io.interfaces(),
        **cli.interfaces(output, impure, environment),
        **filesystem.interfaces(),
        **sockets.interfaces(),
        **random.seed_interface(),
    }
    for grant in grants:
        offered |= GRANTS[grant](impure)
    return {f"wasi:{name}@{VERSION}": interface for name, interface in offered.items()}


def service_interfaces(
    environment: Mapping[str, str], folders: Sequence[Folder] = (), network: Network | None = None
) -> dict[str, HostInterface]:
    """The host interfaces for a component of the world `wasi:http/proxy`, which has a Serving as its data. It may wait,
    and is told the time and random numbers."""
    offered = {
        **io.interfaces(Visit.forget),
        **cli.interfaces(Visit.print_line, _pure, environment, Visit.opened, Visit.closed),
        **filesystem.interfaces(folders),
        **sockets.interfaces(network),
        **random.interfaces(_pure),
        **random.seed_interface(),
        **clocks.waking(_pure, Visit.timer),
        **http.interfaces(),
    }
    return {f"wasi:{name}@{VERSION}": interface for name, interface in offered.items()}


def _pure(data: Any) -> None:
    """Runs of services are not remembered, so nothing they do matters for that."""


def needed(imports: Iterable[str]) -> dict[str, str]:
    """The grants that a component with imports of these names cannot be linked without, each with such a name."""
    found: dict[str, str] = {}
    for name in imports:
        package, _, interface = name.partition("@")[0].partition("/")
        grant = package.removeprefix("wasi:")
        if package == f"wasi:{grant}" and grant in GRANTS and interface != "insecure-seed":
            found.setdefault(grant, name)
    return found
