"""Whole realistic calls, to play against a daemon, in tests and in the manual."""
