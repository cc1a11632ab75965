"""wasi:http 0.3: the worlds `service` and `middleware`, for components that answer exchanges or stand in their way."""

from proxy.wasi.p3.http.handling import Handling
from proxy.wasi.p3.http.service import HANDLER, Handler, handler_of, passes_down
from proxy.wasi.p3.http.types import interfaces

__all__ = ["HANDLER", "Handler", "Handling", "handler_of", "interfaces", "passes_down"]
