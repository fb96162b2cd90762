"""Refused bodies in and out of table ``quarantine``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from router.errors import Fault
from router.store import QuarantineRow

SELECT = "SELECT id, source, received_at, remote, faults, body, readmitted_at FROM quarantine"
INSERT = "INSERT INTO quarantine (source, received_at, remote, faults, body) VALUES (?, ?, ?, ?, ?)"


def said(faults: Sequence[Fault]) -> str:
    """Return *faults* as column ``faults`` keeps them."""
    return json.dumps([[fault.path, fault.text] for fault in faults], ensure_ascii=False)


def quarantined(row: Sequence[Any]) -> QuarantineRow:
    """Return the refused body in *row*, selected by ``SELECT``."""
    *columns, faults, body, readmitted_at = row
    return QuarantineRow(*(*columns, [Fault(*fault) for fault in json.loads(faults)], body, readmitted_at))
