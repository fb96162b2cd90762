"""The store on one machine: one SQLite file, one writing process, one connection."""
