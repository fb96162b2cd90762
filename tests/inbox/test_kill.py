"""kill -9 at any moment: what was acknowledged is there afterwards."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

#: Appends until it is killed, and prints each number only after ``append`` has returned for it.
PROGRAM = """
import asyncio, itertools, sys
from pathlib import Path
from router.inbox import NewEntry
from router.inbox.writer import InboxWriter

async def sender(writer, numbers):
    for number in numbers:
        await writer.append(NewEntry("wavix", b"%d" % number, float(number), "192.0.2.7"))
        print(number, flush=True)

async def main(folder):
    writer = InboxWriter(folder, segment_bytes=200_000)
    numbers = itertools.count()
    await asyncio.gather(*(sender(writer, numbers) for _ in range(20)))

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("round_", range(5))
def test_every_acknowledged_entry_survives_a_kill(round_, folder, open_reader):
    acknowledged = set()
    wanted = random.randint(1, 3000)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            # The last line may be cut off by the kill: half a number is no acknowledgement.
            if line.endswith("\n"):
                acknowledged.add(line.strip())
            if len(acknowledged) == wanted:
                process.kill()
        process.wait(10)

    reader, kept, position = open_reader(), set(), {}
    while entries := reader.read(position, 500):
        kept |= {entry.body.decode() for entry in entries}
        position |= {entry.segment: entry.id for entry in entries}

    assert len(acknowledged) >= wanted
    assert acknowledged <= kept
    assert reader.problems() == []
    assert len(reader.finished(position)) == len(position)
