"""The composition root: which processes a role needs, built from a Config."""
