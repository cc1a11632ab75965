"""One request and its response: the values that travel through a chain, and what was read of them."""

from proxy.exchange.body import Body, Pipe, Stream, collect, length_of
from proxy.exchange.message import Exchange, Request, Response
from proxy.exchange.tunnel import End, Switch, Tunnel

__all__ = [
    "Body", "End", "Exchange", "Pipe", "Request", "Response", "Stream", "Switch", "Tunnel", "collect", "length_of",
]  # fmt: skip
