"""Every way an exchange can fail, as one table.

The names are the proxy error types of RFC 9209 §2.3, which are also the cases of wasi:http's `error-code`.
A failure made here reaches the client as the status of its row and a `Proxy-Status` field that names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Side(Enum):
    """Whose side a failure is on: the client's, ours, or the origin's."""

    DOWNSTREAM = "downstream"
    PROXY = "proxy"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Failure:
    """One row: RFC 9209 type, recommended status, side, and whether the same request may be tried
    again elsewhere, provided that it may be repeated at all (RFC 9110 §9.2.2)."""

    type: str
    status: int
    side: Side
    retry: bool = False


DNS_TIMEOUT = Failure("dns_timeout", 504, Side.UPSTREAM, True)
DNS_ERROR = Failure("dns_error", 502, Side.UPSTREAM, True)
DESTINATION_NOT_FOUND = Failure("destination_not_found", 500, Side.PROXY)
DESTINATION_UNAVAILABLE = Failure("destination_unavailable", 503, Side.UPSTREAM)
DESTINATION_IP_PROHIBITED = Failure("destination_ip_prohibited", 502, Side.PROXY)
DESTINATION_IP_UNROUTABLE = Failure("destination_ip_unroutable", 502, Side.UPSTREAM, True)
CONNECTION_REFUSED = Failure("connection_refused", 502, Side.UPSTREAM, True)
CONNECTION_TERMINATED = Failure("connection_terminated", 502, Side.UPSTREAM, True)
CONNECTION_TIMEOUT = Failure("connection_timeout", 504, Side.UPSTREAM, True)
CONNECTION_READ_TIMEOUT = Failure("connection_read_timeout", 504, Side.UPSTREAM)
CONNECTION_WRITE_TIMEOUT = Failure("connection_write_timeout", 504, Side.UPSTREAM)
CONNECTION_LIMIT_REACHED = Failure("connection_limit_reached", 503, Side.PROXY, True)
TLS_PROTOCOL_ERROR = Failure("tls_protocol_error", 502, Side.UPSTREAM, True)
TLS_CERTIFICATE_ERROR = Failure("tls_certificate_error", 502, Side.UPSTREAM, True)
TLS_ALERT_RECEIVED = Failure("tls_alert_received", 502, Side.UPSTREAM, True)
HTTP_REQUEST_ERROR = Failure("http_request_error", 400, Side.DOWNSTREAM)
HTTP_REQUEST_DENIED = Failure("http_request_denied", 403, Side.PROXY)
HTTP_RESPONSE_INCOMPLETE = Failure("http_response_incomplete", 502, Side.UPSTREAM)
HTTP_RESPONSE_HEADER_SECTION_SIZE = Failure("http_response_header_section_size", 502, Side.UPSTREAM)
HTTP_RESPONSE_TRAILER_SECTION_SIZE = Failure("http_response_trailer_section_size", 502, Side.UPSTREAM)
HTTP_RESPONSE_BODY_SIZE = Failure("http_response_body_size", 502, Side.UPSTREAM)
HTTP_RESPONSE_TRANSFER_CODING = Failure("http_response_transfer_coding", 502, Side.UPSTREAM)
HTTP_RESPONSE_TIMEOUT = Failure("http_response_timeout", 504, Side.UPSTREAM)
HTTP_PROTOCOL_ERROR = Failure("http_protocol_error", 502, Side.UPSTREAM)
PROXY_INTERNAL_RESPONSE = Failure("proxy_internal_response", 500, Side.PROXY)
PROXY_INTERNAL_ERROR = Failure("proxy_internal_error", 500, Side.PROXY)
PROXY_CONFIGURATION_ERROR = Failure("proxy_configuration_error", 500, Side.PROXY)
PROXY_LOOP_DETECTED = Failure("proxy_loop_detected", 502, Side.PROXY)


class Repeat(Enum):
    """Which requests may be sent again after a failure, as far as what has happened to them decides."""

    NEVER = "never"
    """Something of an answer came, or of the request's body is gone."""
    IDEMPOTENT = "idempotent"
    """The origin may have acted on it, and no byte of an answer came."""
    ANY = "any"
    """Nothing of it was sent."""


class ProxyError(Exception):
    """An exchange failed. `detail` says what, for people; it goes into `Proxy-Status` and the log.

    `status` overrides the row's, where HTTP has a more telling one (413, 431, 408, …). `repeat` is said by whoever
    sends requests to origins.
    """

    def __init__(self, failure: Failure, detail: str, *, status: int | None = None) -> None:
        super().__init__(f"{failure.type}: {detail}")
        self.failure = failure
        self.repeat = Repeat.NEVER
        self.detail = detail
        self.status = failure.status if status is None else status
