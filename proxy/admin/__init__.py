"""The admin listener's handler: health, readiness, metrics and the configuration in effect."""

from proxy.admin.endpoint import Endpoint, respond, respond_json, respond_text
from proxy.admin.endpoints import Admin, FilterState, View
from proxy.admin.redaction import redacted

__all__ = ["Admin", "Endpoint", "FilterState", "View", "redacted", "respond", "respond_json", "respond_text"]
