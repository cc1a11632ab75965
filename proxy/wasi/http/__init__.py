"""wasi:http 0.2: the world `proxy`, for components that serve exchanges and ask others."""

from proxy.wasi.http.outgoing import Outgoing
from proxy.wasi.http.service import HANDLER, Service
from proxy.wasi.http.types import ResponseOut, interfaces
from proxy.wasi.http.visit import Client, Serving, Visit

__all__ = ["HANDLER", "Client", "Outgoing", "ResponseOut", "Service", "Serving", "Visit", "interfaces"]
