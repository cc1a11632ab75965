"""What the proxy tells about itself: the access log, metrics, and its own log with the guests' lines in it."""

from proxy.telemetry.access_log import AccessLog, combined_line, json_line
from proxy.telemetry.app_log import GuestLog, configure
from proxy.telemetry.metrics import CONTENT_TYPE, EndpointSample, FilterTally, Metrics
from proxy.telemetry.sink import Sink

__all__ = [
    "CONTENT_TYPE",
    "AccessLog",
    "EndpointSample",
    "FilterTally",
    "GuestLog",
    "Metrics",
    "Sink",
    "combined_line",
    "configure",
    "json_line",
]
