"""What is counted is kept in files, with the room that they take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COUNT = """
import sys
from pathlib import Path
from router.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]))
metrics.turned(0.1)
metrics.keep_room()
"""


def test_counts_have_their_room_on_the_disk_before_they_need_it(tmp_path: Path) -> None:
    # In a process of its own: the library decides once, for good, where its files are.
    subprocess.run([sys.executable, "-c", COUNT, str(tmp_path / "metrics")], check=True, cwd=Path(__file__).parents[1])

    files = [path.stat() for path in tmp_path.glob("metrics/*.db")]
    assert files
    assert all(said.st_blocks * 512 >= said.st_size for said in files)
