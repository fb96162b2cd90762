"""What callrouter promises, proved on whole daemons with real processes, sockets and files."""
