"""What a component says of itself: read from its bytes, nothing of it is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from proxy import wasi
from proxy.component import Component, DecodeError, InstanceType, decode
from proxy.component.binary import Reader
from proxy.component.types import ResourceType
from proxy.component.versions import compatible
from proxy.sluice.interface import PACKAGE, VERSION, imports, name
from proxy.wasi.p3 import handler_interfaces
from proxy.wasi.p3.http import handler_of

STEPS = ("on-request", "on-response", "on-body")
"""The interfaces of which a filter exports one or more."""

HANDLERS = {
    "wasi:http/incoming-handler": "wasi:http/proxy",
    "wasi:http/handler": "wasi:http/service",
    "wasi:http/middleware": "wasi:http/middleware",
}

DETAILED = {
    "wasi:http/client@": "{http: [http://HOST]}",
    "wasi:sockets/types@0.3.": '{sockets: {tcp: ["HOST:PORT"]}}',
    "wasi:sockets/ip-name-lookup@0.3.": '{sockets: {tcp: ["HOST:PORT"]}}',
}
"""Grants that are more than a name, by how what needs them begins."""

MEANINGS = {
    f"{PACKAGE}/request": "the request of its exchange",
    f"{PACKAGE}/response": "the response of its exchange",
    f"{PACKAGE}/config": "its own part of the configuration",
    f"{PACKAGE}/log": "the proxy's log",
    "wasi:cli": "arguments and environment (none are given), output (goes to the log)",
    "wasi:clocks": "the time",
    "wasi:filesystem": "files (none are given)",
    "wasi:http": "HTTP requests of its own",
    "wasi:io": "streams of what else it is given",
    "wasi:keyvalue": "a key-value store",
    "wasi:random": "random numbers",
    "wasi:random/insecure-seed": "a fixed seed",
    "wasi:sockets": "the network (refused unless granted)",
}
"""What an import lets a component reach, by interface or, where there is no entry, by package."""

PREAMBLE_SIZE = 8
CUSTOM, CORE_MODULE, COMPONENT = 0, 1, 4


@dataclass(frozen=True, slots=True)
class Import:
    """reaches: in plain words. functions: those of the interface that it can call. served: by what of this host; None
    when by nothing, even with every grant. grant: what `grants:` must name for that, None where it needs none."""

    name: str
    reaches: str
    functions: tuple[str, ...]
    served: str | None
    grant: str | None


@dataclass(frozen=True, slots=True)
class CoreModule:
    """digest: sha256 in hexadecimal. size: in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Description:
    """size: bytes of the whole. world: which of STEPS it exports. other: the world it is of where it is no filter, if
    that is known. problems: why this proxy would refuse it, one line each. producers: the tools named in it, by
    kind, each with its version ("" where there is none)."""

    size: int
    digest: str
    world: tuple[str, ...]
    other: str | None
    imports: tuple[Import, ...]
    exports: tuple[str, ...]
    core_modules: tuple[CoreModule, ...]
    problems: tuple[str, ...]
    producers: Mapping[str, Mapping[str, str]]

    @property
    def grants(self) -> tuple[str, ...]:
        """What `grants:` of the filter must name."""
        return tuple(dict.fromkeys(each.grant for each in self.imports if each.grant is not None))


def describe(data: bytes) -> Description:
    """Raises DecodeError when it is no component."""
    component = decode(data)
    world = tuple(step for step in STEPS if _exported(step, component.exports))
    found = tuple(_imports(component))
    return Description(
        size=len(data),
        digest=_digest(data),
        world=world,
        other="wasi:http/middleware" if handler_of(component.imports) else _other(component.exports),
        imports=found,
        exports=tuple(component.exports),
        core_modules=tuple(CoreModule(_digest(module), len(module)) for module in component.core_modules),
        problems=tuple(_problems(component.exports, world, found)),
        producers=_producers(data),
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _exported(step: str, exports: Iterable[str]) -> bool:
    """Under a version that this host calls."""
    return any(compatible(export, [name(step)]) for export in exports)


def _other(exports: Iterable[str]) -> str | None:
    return next((HANDLERS[export.split("@")[0]] for export in exports if export.split("@")[0] in HANDLERS), None)


def _handled(exports: Iterable[str]) -> bool:
    """Whether it handles exchanges as a component of wasi:http 0.3 does: a middleware or a service."""
    return handler_of(dict.fromkeys(exports)) is not None


def _imports(component: Component) -> Iterator[Import]:
    handled = _handled(component.exports)
    offered = [*imports(), *wasi.interfaces(wasi.GRANTS, impure=lambda _: None, output=lambda *_: None)]
    if handled:
        offered = [*wasi.service_interfaces({}), *handler_interfaces({})]
    for wanted, kind in component.imports.items():
        functions = tuple(kind.functions) if isinstance(kind, InstanceType) else ()
        served = wanted if _is_named_types(kind) else compatible(wanted, offered)
        grant = None if served is None or handled else next(iter(wasi.needed([wanted])), None)
        grant = next((each for start, each in DETAILED.items() if wanted.startswith(start)), grant)
        yield Import(wanted, _reaches(wanted), functions, served, grant)


def _is_named_types(kind: object) -> bool:
    """There are types in it that need no host, and nothing else."""
    if not isinstance(kind, InstanceType) or kind.functions or kind.instances:
        return False
    return bool(kind.types) and not any(isinstance(each, ResourceType) for each in kind.types.values())


def _reaches(wanted: str) -> str:
    interface = wanted.split("@")[0]
    return MEANINGS.get(interface) or MEANINGS.get(interface.split("/")[0]) or "something this proxy does not know"


def _problems(exports: Iterable[str], world: tuple[str, ...], found: Iterable[Import]) -> Iterator[str]:
    if not world and not _handled(exports):
        yield f"it exports none of {', '.join(STEPS)} of {PACKAGE}@{VERSION}, so it is no filter"
    for export in exports:
        package, _, version = export.partition("@")
        if package.startswith(f"{PACKAGE}/") and not _exported(package.partition("/")[2], [export]):
            yield f"it exports {export}; this proxy has version {VERSION}, and {version or 'none'} is not compatible"
    for each in found:
        if each.served is None:
            yield f"it imports {each.name}, which this proxy does not offer"


def _producers(data: bytes) -> dict[str, dict[str, str]]:
    """The sections `producers` of the component and of all in it (tool conventions, ProducersSection.md)."""
    producers: dict[str, dict[str, str]] = {}
    _collect(Reader(data), producers)
    return producers


def _collect(reader: Reader, producers: dict[str, dict[str, str]]) -> None:
    try:
        reader.take(PREAMBLE_SIZE)
        while not reader.done:
            number, content = reader.section()
            if number in (CORE_MODULE, COMPONENT):
                _collect(content, producers)
            elif number == CUSTOM and content.name() == "producers":
                for kind, tools in content.vec(lambda: (content.name(), content.vec(lambda: _tool(content)))):  # noqa: B023
                    producers.setdefault(kind, {}).update(tools)
    except DecodeError:
        return  # a custom section may hold anything


def _tool(reader: Reader) -> tuple[str, str]:
    return reader.name(), reader.name()
