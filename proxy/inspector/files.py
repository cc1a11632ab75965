"""Flow files of mitmproxy and HAR files: read and written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mitmproxy import http
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.exceptions import FlowReadException
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.io.har import request_to_flow

from proxy.inspector.flows import ORIGIN, flow_of, record_of
from proxy.inspector.record import Record

_HAR_ORIGIN = "_sluiceOrigin"
"""In an entry of a HAR file (names that begin with _ are free)."""


class BadRecording(ValueError):
    """A file is no recording. The text says why."""


def read(path: Path) -> tuple[list[Record], int]:
    """The exchanges of a flow file or HAR, in their order, and how many entries are none. Raises BadRecording."""
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
            file.seek(0)
            flows = list(_har(file.read()) if start.startswith(b"{") else FlowReader(file).stream())
    except (OSError, FlowReadException) as error:
        raise BadRecording(f"{path}: {error}") from error
    records = [record_of(flow) if isinstance(flow, http.HTTPFlow) else None for flow in flows]
    found = [record for record in records if record is not None]
    if not found:
        raise BadRecording(f"{path}: there is no exchange in it")
    return found, len(records) - len(found)


def _har(data: bytes) -> Iterator[http.HTTPFlow]:
    try:
        entries = json.loads(data.decode("utf-8-sig"))["log"]["entries"]
        for entry in entries:
            yield _flow(entry)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FlowReadException(f"is no HAR file ({type(error).__name__}: {error})") from error


def _flow(entry: dict[str, Any]) -> http.HTTPFlow:
    """Browsers leave out what mitmproxy's reader wants to see."""
    entry["request"].setdefault("httpVersion", "HTTP/1.1")
    entry["response"].setdefault("httpVersion", "HTTP/1.1")
    entry["response"].setdefault("content", {})
    if "postData" in entry["request"]:
        entry["request"]["postData"].setdefault("text", "")
    flow = request_to_flow(entry)
    if not entry["response"]["status"]:
        flow.response = None  # it was blocked, or came to nothing
    if _HAR_ORIGIN in entry:
        flow.metadata[ORIGIN] = entry[_HAR_ORIGIN]
    return flow


class Writer:
    """A file that records are added to: HAR when its name ends so, else a flow file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._har: list[http.HTTPFlow] | None = [] if path.suffix == ".har" else None
        self._file = path.open("wb")

    def add(self, record: Record) -> None:
        flow = flow_of(record)
        if self._har is not None:
            self._har.append(flow)
        else:
            FlowWriter(self._file).add(flow)

    def close(self) -> None:
        if self._har is not None:
            self._file.write(json.dumps(har(self._har), indent=1).encode())
        self._file.close()


def har(flows: Iterable[http.HTTPFlow]) -> dict[str, Any]:
    flows = list(flows)
    made: dict[str, Any] = SaveHar().make_har(flows)
    for entry, flow in zip(made["log"]["entries"], flows, strict=True):
        if ORIGIN in flow.metadata:
            entry[_HAR_ORIGIN] = flow.metadata[ORIGIN]
    return made
