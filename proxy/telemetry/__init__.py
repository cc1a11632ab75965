"""What the proxy tells about itself: the access log, metrics, and its own log with the guests' lines in it."""

from proxy.telemetry.access_log import AccessLog, Format, combined_line, json_line
from proxy.telemetry.app_log import GuestLog, configure
from proxy.telemetry.metrics import CONTENT_TYPE, CacheSample, EndpointSample, FilterTally, Metrics, UpstreamSample
from proxy.telemetry.selection import REDACTED, SECRET, hiding, selected
from proxy.telemetry.sink import Sink

__all__ = [
    "CONTENT_TYPE",
    "REDACTED",
    "SECRET",
    "AccessLog",
    "CacheSample",
    "EndpointSample",
    "FilterTally",
    "Format",
    "GuestLog",
    "Metrics",
    "Sink",
    "UpstreamSample",
    "combined_line",
    "configure",
    "hiding",
    "json_line",
    "selected",
]
