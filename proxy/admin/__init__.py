"""The admin listener's handler: health, readiness, metrics and the configuration in effect."""

from proxy.admin.endpoints import Admin, FilterState, View
from proxy.admin.redaction import redacted

__all__ = ["Admin", "FilterState", "View", "redacted"]
