"""A Component Model host over wasmtime's core engine: decodes components, links them, and does the canonical ABI.

    component = decode(data)
    linked = link(component, engine, {"acme:demo/log@1.0.0": HostInterface({"log": log})}, Limits())
    instance = linked.instantiate(data)
    linked.exports["acme:demo/run@1.0.0"]["run"](instance, "text")

What Python values stand for which types is in proxy.component.types. Knows nothing of HTTP, and usable on its own.
"""

from proxy.component.binary import DecodeError
from proxy.component.binary.inlaying import Inlaid
from proxy.component.binding import LinkError
from proxy.component.decode import Component, decode, interfaces
from proxy.component.handles import GuestResource
from proxy.component.instance import Instance
from proxy.component.link import ExportFunc, HostFunc, HostInterface, Linked, link, validate
from proxy.component.tasks.host import resting
from proxy.component.tasks.reader import FutureReader, StreamReader
from proxy.component.tasks.scheduler import Call
from proxy.component.tasks.stream import SharedFuture, SharedStream
from proxy.component.tasks.writer import HostFuture, HostStream, Source
from proxy.component.types import FuncType, InstanceType

__all__ = [
    "Call",
    "Component",
    "DecodeError",
    "ExportFunc",
    "FuncType",
    "FutureReader",
    "GuestResource",
    "HostFunc",
    "HostFuture",
    "HostInterface",
    "HostStream",
    "Inlaid",
    "Instance",
    "InstanceType",
    "LinkError",
    "Linked",
    "SharedFuture",
    "SharedStream",
    "Source",
    "StreamReader",
    "decode",
    "interfaces",
    "link",
    "resting",
    "validate",
]
