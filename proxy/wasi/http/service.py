"""A component of the world `wasi:http/proxy`, ready to serve exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.component import Component, ExportFunc, HostInterface, Linked, LinkError, link
from proxy.sandbox import Engine, Limits
from proxy.wasi.http.types import ResponseOut
from proxy.wasi.http.visit import Serving

HANDLER = "wasi:http/incoming-handler@0.2"


class Service:
    """Each visit gets a fresh instance."""

    def __init__(
        self, component: Component, engine: Engine, imports: Mapping[str, HostInterface], limits: Limits
    ) -> None:
        """Compiles and links; raises LinkError when the component wants what there is not, or serves nothing."""
        self._linked = link(component, engine, imports, limits, suspends=True)
        self._handle = _handler(self._linked)
        self._visits = 0
        self._over = False

    async def visit(self, visit: Serving) -> None:
        """Runs the component to its end; its answer may be there long before. Raises Trap, PoolExhausted."""
        self._visits += 1
        try:
            instance = self._linked.instantiate(visit)
            try:
                await self._handle(instance, visit.incoming, ResponseOut())
            finally:
                instance.close()
        finally:
            self._visits -= 1
            self._free()

    def close(self) -> None:
        """No new visit comes; what there is for them is freed after the last one."""
        self._over = True
        self._free()

    def _free(self) -> None:
        if self._over and not self._visits:
            self._linked.close()


def _handler(linked: Linked) -> Any:
    for name, functions in linked.exports.items():
        if name.startswith(f"{HANDLER}."):
            found: ExportFunc = functions["handle"]
            return found
    raise LinkError(f"does not export {HANDLER}.x, so it serves nothing")
