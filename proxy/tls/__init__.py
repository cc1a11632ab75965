"""TLS between a socket and whoever speaks HTTP on it, on both sides of the proxy; and what certificates it takes."""

from proxy.tls.certificates import CertificateError, KeyPair, server_context
from proxy.tls.layer import Layer
from proxy.tls.tickets import share
from proxy.tls.trust import client_context

__all__ = ["CertificateError", "KeyPair", "Layer", "client_context", "server_context", "share"]
