"""The worker: the one writer of the store. It routes, claims and records."""
