"""What is allowed in a configuration, and probably not what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.component import Component, InstanceType, decode
from proxy.config import model
from proxy.config.errors import ConfigError
from proxy.config.loader import ConfigFile
from proxy.inspector.document import useless
from proxy.sluice.interface import FUNCTIONS, PACKAGE

REQUEST = f"{PACKAGE}/request"


def doubts(file: ConfigFile) -> Iterator[ConfigError]:
    """Of a configuration that is right."""
    nosy: dict[str, bool] = {}
    for index, route in enumerate(file.config.routes):
        caches: list[str] = []
        for at, stage in enumerate(route.chain):
            if isinstance(stage, model.CacheStage):
                caches.append(stage.cache.name)
            elif isinstance(stage, model.FilterStage) and caches:
                name = stage.filter
                if name not in nosy:
                    nosy[name] = reads_all(decode(file.config.filters[name].component.read_bytes()))
                if nosy[name]:
                    warning = f"warning: {useless(name, 'can read all headers', caches)}"
                    yield file.error(("routes", index, "chain", at), warning)


def reads_all(component: Component) -> bool:
    """Has it any use for `headers`? Bindings of some languages import the whole interface, which says nothing."""
    for name, interface in component.imports.items():
        if name.partition("@")[0] == REQUEST and isinstance(interface, InstanceType):
            functions = interface.functions
            return "headers" in functions and len(functions) < len(FUNCTIONS["request"])
    return False
