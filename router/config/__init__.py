"""config.yaml, proved before anything starts."""

from router.config.load import load
from router.config.model import Address, Config, ConfigTest, Destination, Source
from router.config.report import render

__all__ = ["Address", "Config", "ConfigTest", "Destination", "Source", "load", "render"]
