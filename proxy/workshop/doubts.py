"""What is allowed in a configuration, and probably not what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.component import Component, InstanceType, decode
from proxy.config import model
from proxy.config.errors import ConfigError
from proxy.config.loader import ConfigFile
from proxy.server.told import useless
from proxy.sluice.interface import FUNCTIONS, PACKAGE

REQUEST = f"{PACKAGE}/request"

_CAN = {
    "headers": "can read all headers",
    "client-address": "can read the address of the client",
}
"""Functions of `sluice:filter/request` whose value is another one for almost every client."""


def doubts(file: ConfigFile) -> Iterator[ConfigError]:
    """Of a configuration that is right."""
    can: dict[str, list[str]] = {}
    for index, route in enumerate(file.config.routes):
        caches: list[str] = []
        for at, stage in enumerate(route.chain):
            if isinstance(stage, model.CacheStage):
                caches.append(stage.cache.name)
            elif isinstance(stage, model.FilterStage) and caches:
                name = stage.filter
                if name not in can:
                    can[name] = list(_telling(decode(file.config.filters[name].component.read_bytes())))
                for does in can[name]:
                    yield file.error(("routes", index, "chain", at), f"warning: {useless(name, does, caches)}")


def _telling(component: Component) -> Iterator[str]:
    """Bindings of some languages import the whole interface, whatever the filter uses: that says nothing."""
    for name, interface in component.imports.items():
        if name.partition("@")[0] == REQUEST and isinstance(interface, InstanceType):
            functions = interface.functions
            if len(functions) < len(FUNCTIONS["request"]):
                yield from (does for function, does in _CAN.items() if function in functions)
