"""Where the data of a configuration is, for whoever looks for its daemon: also when the rest of the file is wrong."""

from __future__ import annotations

import os
from pathlib import Path

from router.config.fields import Fields
from router.config.files import Files
from router.config.located import read
from router.config.problems import Problems
from router.config.variables import Variables
from router.config.whereabouts import KEYS, read_whereabouts


def data_folder(path: Path) -> Path:
    """Return the folder that ``store:`` or ``data:`` in *path* names; the usual one where that cannot be told."""
    folder = path.resolve().parent
    try:
        source = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        return folder / "data"
    problems = Problems(str(path), source)
    root = read(source, problems)
    if root is None:
        return folder / "data"
    Variables(os.environ, folder, Files(), problems, forgiving=True).fill(root)
    return read_whereabouts(root, Fields(root, problems, known=KEYS), folder, problems).data
