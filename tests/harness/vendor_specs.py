"""Vendors' own machine-readable specs, where somebody has them: they may be read, and not be copied in here.

``VENDOR_SPECS_DIR`` names the folder. Without it such a test is skipped, and says so.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest


def load(name: str) -> Any:
    """Return the spec *name*, or skip the test."""
    folder = os.environ.get("VENDOR_SPECS_DIR")
    path = Path(folder or "", name)
    if not folder or not path.is_file():
        pytest.skip(f"VENDOR_SPECS_DIR names no folder with {name}")
    return json.loads(path.read_text(encoding="utf-8"))


def check_body(spec: Any, path: str, method: str, body: Any) -> None:
    """Hold *body* against what an OpenAPI *spec* says of ``method path``; raises ValidationError."""
    schema = spec["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": spec["components"]}
    jsonschema.Draft202012Validator(whole).validate(body)
