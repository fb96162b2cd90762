"""Draws figures as bars, several small charts beside each other, all to one scale."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

_WIDTH, _PANEL, _HEIGHT, _TOP, _FOOT = 760, 174, 250, 58, 46
_LEFT = 22


def bars(title: str, unit: str, panels: Mapping[str, Sequence[tuple[str, float]]], *, foot: str) -> str:
    """Return an SVG document: for each panel, its name → what stands under each bar, and its height in *unit*."""
    greatest = max(value for rows in panels.values() for _, value in rows)
    parts = [f'<text x="{_LEFT}" y="28" font-size="16" font-weight="600">{html.escape(title)}</text>']
    for number, (name, rows) in enumerate(panels.items()):
        parts += _panel(_LEFT + number * (_PANEL + 8), name, rows, greatest)
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT + _FOOT + 10}" fill="#6b7480">{html.escape(unit)}. {foot}</text>')
    inside = "\n".join(f"  {part}" for part in parts)
    height = _HEIGHT + _FOOT + 26
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title"
     font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="12"
     fill="#1d2733">
  <title id="title">{html.escape(title)}</title>
  <rect x="1" y="1" width="{_WIDTH - 2}" height="{height - 2}" rx="10" fill="#f7f9fb" stroke="#9aa8b6"/>
{inside}
</svg>
"""


def _panel(left: int, name: str, rows: Sequence[tuple[str, float]], greatest: float) -> list[str]:
    step = _PANEL / len(rows)
    bottom, room = _HEIGHT, _HEIGHT - _TOP - 20
    parts = [f'<line x1="{left}" y1="{bottom}" x2="{left + _PANEL - 6}" y2="{bottom}" stroke="#9aa8b6"/>']
    for number, (label, value) in enumerate(rows):
        high = max(1.0, room * value / greatest)
        middle = left + step * (number + 0.5) - 3
        bar = f'x="{middle - 14:.1f}" y="{bottom - high:.1f}" width="28" height="{high:.1f}"'
        parts.append(f'<rect {bar} fill="#2f6ea8"/>')
        parts.append(f'<text x="{middle:.1f}" y="{bottom - high - 5:.1f}" text-anchor="middle">{value:,.0f}</text>')
        parts.append(f'<text x="{middle:.1f}" y="{bottom + 16}" text-anchor="middle">{html.escape(label)}</text>')
    middle = left + _PANEL / 2 - 3
    words = f'x="{middle:.1f}" y="{bottom + 34}" text-anchor="middle" font-weight="600"'
    parts.append(f"<text {words}>{html.escape(name)}</text>")
    return parts
