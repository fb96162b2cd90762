"""The command line: one module per command."""


def main() -> None:
    """Run one command and exit with its code."""
