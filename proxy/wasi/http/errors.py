"""`error-code` of wasi:http/types: the error table of the proxy, by the names that WIT has for its rows."""

from __future__ import annotations

from typing import Any

from proxy import errors
from proxy.errors import Failure, ProxyError

ErrorCode = tuple[str, Any]

CASES: dict[str, str] = {
    "dns_timeout": "DNS-timeout",
    "dns_error": "DNS-error",
    "destination_not_found": "destination-not-found",
    "destination_unavailable": "destination-unavailable",
    "destination_ip_prohibited": "destination-IP-prohibited",
    "destination_ip_unroutable": "destination-IP-unroutable",
    "connection_refused": "connection-refused",
    "connection_terminated": "connection-terminated",
    "connection_timeout": "connection-timeout",
    "connection_read_timeout": "connection-read-timeout",
    "connection_write_timeout": "connection-write-timeout",
    "connection_limit_reached": "connection-limit-reached",
    "tls_protocol_error": "TLS-protocol-error",
    "tls_certificate_error": "TLS-certificate-error",
    "tls_alert_received": "TLS-alert-received",
    "http_request_error": "HTTP-protocol-error",
    "http_request_denied": "HTTP-request-denied",
    "http_response_incomplete": "HTTP-response-incomplete",
    "http_response_header_section_size": "HTTP-response-header-section-size",
    "http_response_trailer_section_size": "HTTP-response-trailer-section-size",
    "http_response_body_size": "HTTP-response-body-size",
    "http_response_transfer_coding": "HTTP-response-transfer-coding",
    "http_response_timeout": "HTTP-response-timeout",
    "http_protocol_error": "HTTP-protocol-error",
    "proxy_configuration_error": "configuration-error",
    "proxy_loop_detected": "loop-detected",
}
"""By the type of a row; what is not here is an internal error."""

_PAYLOADS: dict[str, Any] = {
    "DNS-error": {"rcode": None, "info-code": None},
    "TLS-alert-received": {"alert-id": None, "alert-message": None},
}
"""Other cases have none, or an optional one that is left out."""

_FAILURES: dict[str, Failure] = {
    CASES[row.type]: row for row in vars(errors).values() if isinstance(row, Failure) and row.type in CASES
} | {"HTTP-protocol-error": errors.HTTP_PROTOCOL_ERROR}


def error_code(error: ProxyError) -> ErrorCode:
    """What a guest is told of a failure."""
    case = CASES.get(error.failure.type)
    return ("internal-error", error.detail) if case is None else (case, _PAYLOADS.get(case))


def failure(code: ErrorCode) -> ProxyError:
    """The failure that a guest tells us of."""
    case, payload = code
    row = _FAILURES.get(case, errors.PROXY_INTERNAL_ERROR)
    said = f": {payload}" if isinstance(payload, str) else ""
    return ProxyError(row, f"the component answers with {case}{said}")
