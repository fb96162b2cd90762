"""A sample in a few numbers."""

from __future__ import annotations

from collections.abc import Sequence


def percentiles(sample: Sequence[float]) -> dict[str, float]:
    """Return count, p50, p99 and max of *sample*, in its own unit; zeros when it is empty."""
    if not sample:
        return {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    ordered = sorted(sample)

    def at(share: float) -> float:
        # The smallest value that at least this share of the sample does not exceed.
        return float(ordered[max(0, -(-len(ordered) * share // 100).__trunc__() - 1)])

    return {"count": len(ordered), "p50": at(50), "p99": at(99), "max": float(ordered[-1])}
