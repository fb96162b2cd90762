"""For authors of plugins: make deliveries, record requests, check a plugin against the contract."""

from router.registry import in_file as load_plugin
from router.testing.checking import check_plugin
from router.testing.deliveries import HOSTILE, make_delivery
from router.testing.recording import RecordingHttp, RecordingMail, Request, SentMail

__all__ = [
    "HOSTILE",
    "RecordingHttp",
    "RecordingMail",
    "Request",
    "SentMail",
    "check_plugin",
    "load_plugin",
    "make_delivery",
]
