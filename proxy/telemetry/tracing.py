"""Traces for OpenTelemetry: a span for each exchange, one for each of its stages.

What is exported, where to, and how much of it, is said by the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_PROPAGATORS …). Attributes
have the names of OpenTelemetry's semantic conventions for HTTP. This is the one door to the library, which is loaded
only when there is something to export.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from proxy.exchange import Request, Response
from proxy.exchange.clock import StageClock

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

EXPORTERS = ("otlp", "console", "none")


class TracingError(ValueError):
    """The environment asks for traces that cannot be had. The text says why."""


def wanted(environment: Mapping[str, str] = os.environ) -> str | None:
    """The exporter that the environment names, or None: none was asked for."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    exporter = environment.get("OTEL_TRACES_EXPORTER") or ("otlp" if endpoint else "none")
    if exporter not in EXPORTERS:
        raise TracingError(f"OTEL_TRACES_EXPORTER={exporter} is not supported; there are {', '.join(EXPORTERS)}")
    return None if exporter == "none" else exporter


def provider(exporter: str) -> TracerProvider:
    """As the environment configures it. Raises TracingError when the library is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
    except ModuleNotFoundError as error:
        message = f"traces need OpenTelemetry ({error.name} is missing): pip install 'sluicegate[trace]'"
        raise TracingError(message) from error
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "sluicegate"}))
    made = TracerProvider(resource=resource)
    if exporter == "console":
        made.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    else:
        made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


class Tracing:
    """Makes the spans; W3C trace context comes in with requests and goes out with those to origins."""

    def __init__(self, source: TracerProvider) -> None:
        from opentelemetry import propagate, trace

        self._provider = source
        self._tracer = source.get_tracer("sluicegate")
        self._trace, self._propagate = trace, propagate

    def begin(self, request: Request) -> StageClock:
        """An exchange begins; its clock has the span."""
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.fields.lines}
        host, _, port = request.authority.rpartition(":") if request.authority[-1:].isdigit() else ("", "", "")
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "url.scheme": request.scheme,
            "url.path": request.path,
            "server.address": host or request.authority,
            "client.address": request.exchange.client,
            "sluice.request_id": request.exchange.id,
        }
        if request.query is not None:
            attributes["url.query"] = request.query
        if port:
            attributes["server.port"] = int(port)
        span = self._tracer.start_span(
            request.method, self._propagate.extract(carrier), self._trace.SpanKind.SERVER, attributes
        )
        return StageClock(span)

    def end(self, request: Request, response: Response, sent: int, complete: bool, seconds: float) -> None:
        """The exchange is over (an `OnDone`)."""
        clock = request.exchange.clock
        if clock is None or clock.span is None:
            return
        span: Span = clock.span
        exchange = request.exchange
        span.update_name(f"{request.method} {exchange.route}" if exchange.route else request.method)
        span.set_attribute("http.response.status_code", response.status)
        span.set_attribute("sluice.sent_bytes", sent)
        if exchange.route:
            span.set_attribute("http.route", exchange.route)
        if exchange.cache_status:
            span.set_attribute("sluice.cache_status", ", ".join(exchange.cache_status))
        if exchange.failure is not None:
            span.set_attribute("error.type", exchange.failure[0])
            span.set_status(self._trace.StatusCode.ERROR, exchange.failure[1])
        elif response.status >= 500 or not complete:
            span.set_attribute("error.type", str(response.status) if complete else "incomplete")
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()

    def stage(self, kind: str, name: str, parent: Span) -> Span:
        """A stage begins. The span of `forward` is one of a client."""
        is_client = kind == "forward"
        return self._tracer.start_span(
            f"{kind} {name}".rstrip(),
            self._trace.set_span_in_context(parent),
            self._trace.SpanKind.CLIENT if is_client else self._trace.SpanKind.INTERNAL,
        )

    def stage_over(self, span: Span, error: BaseException | None) -> None:
        if error is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(self._trace.StatusCode.ERROR, str(error))
        span.end()

    def outgoing(self, request: Request, span: Span) -> Request:
        """The request with this span as the parent of what its receiver does."""
        carrier: dict[str, str] = {}
        self._propagate.inject(carrier, self._trace.set_span_in_context(span))
        sent = request.copy()
        for name, value in carrier.items():
            sent.fields.set(name.lower().encode(), value.encode("latin-1"))
        return sent

    def close(self) -> None:
        """Exports what is left."""
        self._provider.shutdown()
