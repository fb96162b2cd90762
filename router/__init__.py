"""callrouter: call events in, news out, nothing lost."""

__version__ = "0.1.0"
