"""Components that serve, or handle what passes, from a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from proxy import wasi
from proxy.component import Component, LinkError
from proxy.config import model
from proxy.sandbox import Engine, Limits
from proxy.tls import client_context
from proxy.upstream import Endpoint
from proxy.upstream.dns import Resolver
from proxy.upstream.secure import Secured
from proxy.wasi.files import Folder
from proxy.wasi.http import HANDLER, Outgoing, Service
from proxy.wasi.p3 import handler_interfaces
from proxy.wasi.p3.http import HANDLER as HANDLER3
from proxy.wasi.p3.http import Handler, handler_of, passes_down
from proxy.wasi.sockets import Network

ASKS = ("wasi:http/outgoing-handler", "wasi:http/client")
CONNECTS = ("wasi:sockets/types@0.3", "wasi:sockets/ip-name-lookup@0.3")
"""Of 0.3 alone: those of 0.2 are imported by the engines of Python and JavaScript for whatever a program may do."""


@dataclass(frozen=True, slots=True)
class Served:
    """A component ready to serve, and whom it may ask. `passes`: it is a middleware, which has stages below it.
    `resolver`: knows the addresses of the names that its sockets were granted."""

    service: Service | Handler
    client: Outgoing
    resolver: Resolver
    total: float
    passes: bool = False

    @property
    def handler(self) -> str:
        """What it exports that is called."""
        return HANDLER if isinstance(self.service, Service) else HANDLER3

    def drain(self) -> None:
        self.client.drain()

    def close(self) -> None:
        self.client.close()
        self.service.close()


def serves(component: Component) -> bool:
    """Whether it answers by itself, or handles what passes: anything but a component of sluice:filter."""
    return any(name.startswith(f"{HANDLER}.") for name in component.exports) or bool(handler_of(component.exports))


def served(declared: model.Filter, component: Component, engine: Engine, resolver: Resolver) -> Served:
    """Raises LinkError when it cannot be, as it is declared."""
    grants = [grant for grant in declared.grants if isinstance(grant, model.Grant)]
    asks = next((name for name in component.imports if name.partition("@")[0] in ASKS), None)
    if asks is not None and all(grant.http is None for grant in grants):
        raise LinkError(
            f"imports {asks}, which has to be granted: add `grants: [{{http: [http://HOST]}}]` to the filter, with the "
            "origins it may ask, or with none"
        )
    connects = next((name for name in component.imports if name.startswith(CONNECTS)), None)
    if connects is not None and all(grant.sockets is None for grant in grants):
        raise LinkError(
            f'imports {connects}, which has to be granted: add `grants: [{{sockets: {{tcp: ["HOST:PORT"]}}}}]` to the '
            "filter, with the peers it may connect to, or `grants: [{sockets: {}}]` for none"
        )
    handles = handler_of(component.exports) is not None
    if declared.instance == "pooled" or (isinstance(declared.instance, model.Reuse) and not handles):
        raise LinkError("serves, and has to be `instance: fresh`" + " or `instance: {reuse: N}`" * handles)
    passes = handler_of(component.exports) is not None and passes_down(component)
    if declared.on_error == "fail_open" and not passes:
        raise LinkError("serves, so there is nothing to go on with without it: it has to be `on_error: fail_closed`")
    limits = Limits(memory=declared.limits.memory, time=declared.limits.time)
    folders, network = _folders(grants), _network(grants, resolver)
    imports = wasi.service_interfaces(environment(grants), folders, network)
    service: Service | Handler
    if handler_of(component.exports):
        imports |= handler_interfaces(environment(grants), folders, network)
        how = declared.instance if isinstance(declared.instance, model.Reuse) else model.Reuse()
        total, times = declared.limits.total, {"reuse": how.reuse, "concurrent": how.concurrent}
        service = Handler(component, engine, imports, limits, total, **times)
    else:
        service = Service(component, engine, imports, limits)
    return Served(service, _client(grants), resolver, declared.limits.total, passes)


def _client(grants: list[model.Grant]) -> Outgoing:
    granted = [origin for grant in grants for origin in grant.http or ()]
    origins = [Endpoint(origin.host, origin.port, secure=origin.secure) for origin in granted]
    if not any(origin.secure for origin in origins):
        return Outgoing(origins)
    return Outgoing(origins, Secured(client_context(["http/1.1"])))


def _network(grants: list[model.Grant], resolver: Resolver) -> Network:
    return Network((grant.sockets for grant in grants if grant.sockets is not None), resolver)


def environment(grants: list[model.Grant]) -> dict[str, str]:
    return {name: value for grant in grants for name, value in (grant.environment or {}).items()}


def _folders(grants: list[model.Grant]) -> list[Folder]:
    """Raises LinkError where there is no such directory."""
    found = [folder for grant in grants for folder in grant.filesystem or ()]
    for folder in found:
        if not folder.path.is_dir():
            raise LinkError(f"is granted {folder.path}, which is no directory")
    return [Folder(str(folder.path), folder.at, folder.write) for folder in found]
