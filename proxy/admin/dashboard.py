"""The dashboard: a page, its style and its script, out of this package. The data it asks for comes from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.resources import files

from proxy.admin.endpoint import Endpoint, respond
from proxy.exchange import Request, Response

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PARTS = {
    "/dashboard": ("dashboard.html", "text/html; charset=utf-8"),
    "/dashboard.css": ("dashboard.css", "text/css; charset=utf-8"),
    "/dashboard.js": ("dashboard.js", "text/javascript; charset=utf-8"),
}


def page() -> Mapping[str, Endpoint]:
    """Its parts hold no data, so they need no token: the page asks for one."""
    return {
        path: Endpoint("the dashboard, for a browser" if path == "/dashboard" else "", partial(_part, *part), open=True)
        for path, part in _PARTS.items()
    }


def _part(name: str, content_type: str, request: Request) -> Response:
    response = respond(200, content_type, files(__package__).joinpath("page", name).read_bytes())
    response.fields.append(b"content-security-policy", _POLICY)
    response.fields.append(b"referrer-policy", b"no-referrer")
    return response
