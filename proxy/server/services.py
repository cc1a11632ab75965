"""Components that serve, from a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from proxy import wasi
from proxy.component import Component, LinkError
from proxy.config import model
from proxy.sandbox import Engine, Limits
from proxy.upstream import Endpoint
from proxy.wasi.files import Folder
from proxy.wasi.http import HANDLER, Outgoing, Service

ASKS = "wasi:http/outgoing-handler"


@dataclass(frozen=True, slots=True)
class Served:
    """A component ready to serve, and whom it may ask."""

    service: Service
    client: Outgoing
    total: float

    def drain(self) -> None:
        self.client.drain()

    def close(self) -> None:
        self.client.close()
        self.service.close()


def serves(component: Component) -> bool:
    return any(name.startswith(f"{HANDLER}.") for name in component.exports)


def served(declared: model.Filter, component: Component, engine: Engine) -> Served:
    """Raises LinkError when it cannot be, as it is declared."""
    grants = [grant for grant in declared.grants if isinstance(grant, model.Grant)]
    asks = next((name for name in component.imports if name.partition("@")[0] == ASKS), None)
    if asks is not None and all(grant.http is None for grant in grants):
        raise LinkError(
            f"imports {asks}, which has to be granted: add `grants: [{{http: [http://HOST]}}]` to the filter, with the "
            "origins it may ask, or with none"
        )
    if declared.instance == "pooled":
        raise LinkError("serves, and has to be `instance: fresh`")
    if declared.on_error == "fail_open":
        raise LinkError("serves, so there is nothing to go on with without it: it has to be `on_error: fail_closed`")
    limits = Limits(memory=declared.limits.memory, time=declared.limits.time)
    service = Service(component, engine, wasi.service_interfaces(environment(grants), _folders(grants)), limits)
    origins = [Endpoint(origin.host, origin.port) for grant in grants for origin in grant.http or ()]
    return Served(service, Outgoing(origins), declared.limits.total)


def environment(grants: list[model.Grant]) -> dict[str, str]:
    return {name: value for grant in grants for name, value in (grant.environment or {}).items()}


def _folders(grants: list[model.Grant]) -> list[Folder]:
    """Raises LinkError where there is no such directory."""
    found = [folder for grant in grants for folder in grant.filesystem or ()]
    for folder in found:
        if not folder.path.is_dir():
            raise LinkError(f"is granted {folder.path}, which is no directory")
    return [Folder(str(folder.path), folder.at, folder.write) for folder in found]
