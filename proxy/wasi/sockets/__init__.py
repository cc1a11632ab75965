"""wasi:sockets: TCP, UDP and look-up of names, for peers that were granted.

network   what a component was granted, and what one exchange holds
reach     whom that reaches: pure decisions
tcp, udp, lookup, options   the operations, for 0.2 and 0.3 alike
interfaces, tcp_methods, udp_methods   how 0.2 offers them; proxy.wasi.p3.sockets has 0.3
"""

from proxy.wasi.sockets.interfaces import interfaces
from proxy.wasi.sockets.network import Held, Holder, Network

__all__ = ["Held", "Holder", "Network", "interfaces"]
