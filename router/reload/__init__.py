"""Another configuration for a running daemon: all of its processes move to it, or none does.

The supervisor reads and proves the file once. What it was read from goes to every process (``link``), each of which
makes the same Config of it (``follower``); in two phases (``phases``) all get ready, the worker decides, and the others
follow. Whoever asked reads what came of it in a file (``answer``).
"""
