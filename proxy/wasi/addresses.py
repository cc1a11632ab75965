"""Which addresses are of the public internet, and which only look as if they were."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1."""

UNICAST = IPv6Network("2000::/3")
"""Whatever is global in IPv6 (RFC 4291 §2.5.4, as IANA has assigned it)."""

PRIVATE: tuple[Network, ...] = (
    *(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")),
    *(IPv4Network(each) for each in ("127.0.0.0/8", "169.254.0.0/16")),
    *(IPv6Network(each) for each in ("fc00::/7", "fe80::/10", "::1/128")),
)
"""Networks that a grant within them means as such: private use, shared, loopback, link-local."""


def destination(address: Address) -> Address:
    """Where packets to this address end up: the IPv4 address in it where it is mapped, translated (NAT64) or tunnelled
    (6to4)."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    """Of a `destination`."""
    if address.version == 6 and address not in UNICAST:
        return False
    return address.is_global and not address.is_multicast


def is_meant(network: Network) -> bool:
    """Whether a network names addresses that are not public as such: it is one address, or lies within a private
    network. Others, such as 0.0.0.0/0, mean the public addresses in them alone."""
    return network.num_addresses == 1 or any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in PRIVATE
    )
