"""Keeps processes alive: restarts with back-off, ends them together, outlived by none."""
