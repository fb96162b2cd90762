"""The store for several machines: one PostgreSQL database, written by all nodes."""
