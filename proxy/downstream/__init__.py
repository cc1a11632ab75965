"""The client's side: listeners, connections, what they wait for and for how long."""

from proxy.codec.limits import Limits
from proxy.downstream.bind import addresses, bind, bind_file
from proxy.downstream.bind_datagrams import bind_datagrams, deal_by_worker
from proxy.downstream.client_cert import ClientCert
from proxy.downstream.clock import Clock
from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.listener import Listener, serve
from proxy.downstream.service import OnDone, Service
from proxy.downstream.timeouts import Timeouts

__all__ = [
    "ClientCert",
    "Clock",
    "DownstreamConnection",
    "Limits",
    "Listener",
    "OnDone",
    "Service",
    "Timeouts",
    "addresses",
    "bind",
    "bind_datagrams",
    "bind_file",
    "deal_by_worker",
    "serve",
]
