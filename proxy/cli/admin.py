"""Asking the admin listener of a running proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import Any

from proxy.config import model

PATIENCE = 120.0
"""Seconds for an answer, and between two pieces of one."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
    if admin.address.port == 0:
        raise AdminRefused("the proxy cannot be asked: give `admin` in CONFIG a port other than 0, and restart")
    raise AdminRefused(f"no proxy answers on {admin.address}: is it running, and with this `admin` in its CONFIG?")


def connect(
    admin: model.Admin | None, target: str, body: object = None, patience: float | None = PATIENCE
) -> HTTPResponse | None:
    """The response, its body still to be read. POST where there is a body for it, else GET."""
    if admin is None or admin.address.port == 0:
        return None
    data = None if body is None else json.dumps(body).encode()
    headers = {} if admin.token is None else {"authorization": f"Bearer {admin.token}"}
    address = admin.address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{address.port}{target}"
    try:
        response: HTTPResponse = _DIRECT.open(urllib.request.Request(url, data, headers), timeout=patience)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(2000).decode("utf-8", "replace").strip()
        raise AdminRefused(f"the proxy on {address} says: {error.code} {said}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return None
        raise AdminRefused(f"{address}: {error.reason}") from None
    except (HTTPException, OSError) as error:
        raise AdminRefused(f"{url} does not answer as the admin listener of a proxy: {error!r}") from None
    return response
