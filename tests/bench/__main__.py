"""Run benchmarks: ``python -m tests.bench [NAME …] [--write]``; ``--help`` lists the names.

Tables go to stdout, progress to stderr. ``--write`` also puts each table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from tests.bench import (
    backlog,
    drain,
    ingest,
    latency,
    machine,
    memory,
    neighbours,
    nodes,
    plan,
    routing,
    sending,
    shared,
    steps,
    storm,
    sustained,
)
from tests.bench.report import Report, tell

BENCHMARKS = {
    "ingest": ingest.measure,
    "latency": latency.measure,
    "sustained": sustained.measure,
    "sending": sending.measure,
    "steps": steps.measure,
    "backlog": backlog.measure,
    "neighbours": neighbours.measure,
    "drain": drain.measure,
    "storm": storm.measure,
    "memory": memory.measure,
    "plan": plan.measure,
    "routing": routing.measure,
    "nodes": nodes.measure,
    "shared": shared.backlog,
    "statements": shared.statements,
    "growth": shared.growth,
}
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
HEADING = """# Benchmarks

Measured by `python -m tests.bench --write`; run it on your own machine. Nothing here is a promise: the aims stand
beside the figures, also where a figure falls short.
"""


def write(name: str, report: Report) -> None:
    """Replace the part of the page between the markers of *name*, or append it."""
    page = PAGE.read_text() if PAGE.exists() else HEADING
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    part = f"{begin}\n{report}{end}"
    old = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page = old.sub(lambda _: part, page) if old.search(page) else f"{page.rstrip()}\n\n{part}\n"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page)
    for picture, drawn in report.pictures.items():
        (PAGE.parent / "pictures" / picture).write_text(drawn)


def main() -> None:
    """Measure what was asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all when none is given")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.parent.name}/{PAGE.name}")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="callrouter-bench-") as folder:
        for name in ("machine", *(arguments.names or BENCHMARKS)):
            tell(f"{name} …")
            room = Path(folder) / name
            room.mkdir()
            report = machine.describe(room) if name == "machine" else BENCHMARKS[name](room)
            print(report, flush=True)
            if arguments.write:
                write(name, report)


if __name__ == "__main__":
    main()
