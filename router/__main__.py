"""``python -m router`` is ``callrouter``."""

from router.cli import main

main()
