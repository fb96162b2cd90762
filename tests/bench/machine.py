"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench.report import Report
from tests.harness.percentiles import percentiles

_PACKAGES = ("falcon", "gunicorn", "gunicorn_h1c", "requests", "urllib3", "pydantic")


def describe(folder: Path) -> Report:
    """Describe the machine, and measure how long its disk takes to make 4 KiB durable in *folder*."""
    sync = percentiles(_sync_times(folder, 300))
    rows = [
        ("processor", f"{_cpu()}, {len(os.sched_getaffinity(0))} cores"),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("load before", " ".join(f"{value:.2f}" for value in os.getloadavg())),
        ("disk", f"write 4 KiB + fdatasync: p50 {sync['p50']:.0f} µs, p99 {sync['p99']:.0f} µs"),
        ("python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("sqlite", sqlite3.sqlite_version),
        ("packages", ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))),
        ("date", time.strftime("%Y-%m-%d", time.gmtime())),
    ]
    return Report(
        "The machine", "All figures on this page come from one machine. Take the ratios.", ("what", "value"), rows
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sync_times(folder: Path, times: int) -> list[float]:
    """Microseconds of each write and fdatasync."""
    path = folder / "sync-test"
    result = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            begin = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            result.append((time.perf_counter() - begin) * 1e6)
    path.unlink()
    return result
