"""Asking the admin listener of a running proxy."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from proxy.config import model
from proxy.config.values import Address, SocketFile

PATIENCE = 120.0
"""Seconds for an answer, and between two pieces of one."""

_NO_PROXY = urllib.request.ProxyHandler({})
_DIRECT = urllib.request.build_opener(_NO_PROXY)


class AdminRefused(Exception):
    """There is a proxy, and it does not do what it was asked. The text says why."""


def ask(admin: model.Admin | None, target: str, body: object = None) -> Any:
    """The JSON that the running proxy answers. None when the configuration has no admin listener, or nobody answers."""
    response = connect(admin, target, body)
    if response is None:
        return None
    with response:
        try:
            return json.loads(response.read())
        except (ValueError, HTTPException, OSError) as error:
            raise AdminRefused(f"{response.url} does not answer as the admin listener of a proxy: {error}") from None


def demand(admin: model.Admin | None, target: str, body: object = None) -> Any:
    """As `ask`; raises AdminRefused where that has no answer."""
    answer = ask(admin, target, body)
    if answer is not None:
        return answer
    if admin is None:
        raise AdminRefused("the proxy cannot be asked: give CONFIG an `admin: {address: 127.0.0.1:9901}`, and restart")
    if _anywhere(admin):
        raise AdminRefused("the proxy cannot be asked: give `admin` in CONFIG a port other than 0, and restart")
    raise AdminRefused(f"no proxy answers on {admin.address}: is it running, and with this `admin` in its CONFIG?")


def connect(
    admin: model.Admin | None, target: str, body: object = None, patience: float | None = PATIENCE
) -> HTTPResponse | None:
    """The response, its body still to be read. POST where there is a body for it, else GET."""
    if admin is None or _anywhere(admin):
        return None
    data = None if body is None else json.dumps(body).encode()
    headers = {} if admin.token is None else {"authorization": f"Bearer {admin.token}"}
    address = admin.address
    url = f"http://{_authority(address)}{target}"
    asking = _DIRECT if isinstance(address, Address) else _through_file(address.path)
    try:
        response: HTTPResponse = asking.open(urllib.request.Request(url, data, headers), timeout=patience)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(2000).decode("utf-8", "replace").strip()
        raise AdminRefused(f"the proxy on {address} says: {error.code} {said}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError | FileNotFoundError):
            return None
        raise AdminRefused(f"{address}: {error.reason}") from None
    except (HTTPException, OSError) as error:
        raise AdminRefused(f"{url} does not answer as the admin listener of a proxy: {error!r}") from None
    return response


def _anywhere(admin: model.Admin) -> bool:
    """On a port that only the proxy knows."""
    return isinstance(admin.address, Address) and admin.address.port == 0


def _authority(address: Address | SocketFile) -> str:
    if isinstance(address, SocketFile):
        return "localhost"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    return str(Address(host, address.port))


def _through_file(path: str) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NO_PROXY, _ThroughFile(path))


class _ThroughFile(urllib.request.HTTPHandler):
    """Whatever the URL says, a Unix socket is connected to."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_FileConnection, self._path), request)


class _FileConnection(HTTPConnection):
    def __init__(self, path: str, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
