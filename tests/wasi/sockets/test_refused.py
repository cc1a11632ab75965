"""A guest that wants to reach the network: it is told no, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.component import decode, link
from proxy.sandbox import Engine, Limits
from proxy.wasi import interfaces
from tests.component.guests import ALLOCATOR, component

WIT = """
package demo:app;

interface run { tcp: func() -> u32; udp: func() -> u32; lookup: func() -> u32; }

world app {
  import wasi:sockets/tcp-create-socket@0.2.9;
  import wasi:sockets/udp-create-socket@0.2.9;
  import wasi:sockets/instance-network@0.2.9;
  import wasi:sockets/ip-name-lookup@0.2.9;
  export run;
}

package wasi:sockets@0.2.9 {
  interface network {
    resource network;
    enum error-code { unknown, access-denied, not-supported }
    enum ip-address-family { ipv4, ipv6 }
  }
  interface instance-network { use network.{network}; instance-network: func() -> network; }
  interface tcp { resource tcp-socket; }
  interface udp { resource udp-socket; }
  interface tcp-create-socket {
    use network.{ip-address-family, error-code};
    use tcp.{tcp-socket};
    create-tcp-socket: func(family: ip-address-family) -> result<tcp-socket, error-code>;
  }
  interface udp-create-socket {
    use network.{ip-address-family, error-code};
    use udp.{udp-socket};
    create-udp-socket: func(family: ip-address-family) -> result<udp-socket, error-code>;
  }
  interface ip-name-lookup {
    use network.{network, error-code};
    resource resolve-address-stream;
    resolve-addresses: func(network: borrow<network>, name: string) -> result<resolve-address-stream, error-code>;
  }
}
"""

ERROR, ACCESS_DENIED = 1, 1
CORE = f"""(module
  (import "wasi:sockets/tcp-create-socket@0.2.9" "create-tcp-socket" (func $tcp (param i32 i32)))
  (import "wasi:sockets/udp-create-socket@0.2.9" "create-udp-socket" (func $udp (param i32 i32)))
  (import "wasi:sockets/instance-network@0.2.9" "instance-network" (func $network (result i32)))
  (import "wasi:sockets/ip-name-lookup@0.2.9" "resolve-addresses" (func $lookup (param i32 i32 i32 i32)))
  {ALLOCATOR}
  (data (i32.const 100) "shop.example")
  (func $error (result i32)
    (i32.add (i32.mul (i32.const 10) (i32.load8_u (i32.const 16))) (i32.load8_u (i32.const 20))))
  (func (export "demo:app/run#tcp") (result i32) (call $tcp (i32.const 0) (i32.const 16)) (call $error))
  (func (export "demo:app/run#udp") (result i32) (call $udp (i32.const 1) (i32.const 16)) (call $error))
  (func (export "demo:app/run#lookup") (result i32)
    (call $lookup (call $network) (i32.const 100) (i32.const 12) (i32.const 16)) (call $error)))"""


@pytest.mark.parametrize("function", ["tcp", "udp", "lookup"])
def test_refused(function: str, engine: Engine, tmp_path: Path) -> None:
    wit = tmp_path / "app.wit"
    wit.write_text(WIT)
    hosts = interfaces((), impure=lambda data: None, output=lambda data, stream, line: None)
    linked = link(decode(component(CORE, str(wit), "app")), engine, hosts, Limits())
    instance = linked.instantiate(None)
    assert linked.exports["demo:app/run"][function](instance) == 10 * ERROR + ACCESS_DENIED
    instance.close()
