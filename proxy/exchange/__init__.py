"""One request and its response: the values that travel through a chain, and what was read of them."""

from proxy.exchange.body import Body, Pipe, Stream, collect, length_of
from proxy.exchange.message import Exchange, Request, Response

__all__ = ["Body", "Exchange", "Pipe", "Request", "Response", "Stream", "collect", "length_of"]
