"""Holds requests against what a vendor publishes about its own interface.

Most vendors' licences forbid a copy here: the files are read from the folder ``VENDOR_SPECS_DIR``, where somebody has
them. Without it such a test is skipped, and says so. docs/contributing.md has where each file is published.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import yaml
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.harness.recording import Received


def load(name: str) -> Any:
    """Return the file *name* of the folder, read as JSON, or skip the test."""
    folder = os.environ.get("VENDOR_SPECS_DIR")
    path = Path(folder or "", name)
    if not folder or not path.is_file():
        pytest.skip(f"VENDOR_SPECS_DIR names no folder with {name}")
    return json.loads(path.read_text(encoding="utf-8"))


def check_body(document: Any, path: str, method: str, body: Any) -> None:
    """Hold *body* against what an OpenAPI *document* says of ``method path``; raises ValidationError."""
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(body)


def needed(vendor: str) -> str:
    """Return *vendor*; skip the test that asks, saying why, where its specification is not at hand."""
    if not _documents(vendor):
        pytest.skip(f"VENDOR_SPECS_DIR names no folder with {vendor}/*.json or {vendor}/*.yaml")
    return vendor


def faults(vendor: str, received: Received) -> list[str]:
    """Return what *vendor*'s specification has against a request, as sentences."""
    address = urlsplit(received.path)
    what, judged = f"{received.method} {address.path}", []
    for document in _documents(vendor).values():
        root = urlsplit(document["servers"][0]["url"]).path.rstrip("/")
        for template, item in document["paths"].items():
            operation = item.get(received.method.lower())
            if operation and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", root + template), address.path):
                found = [*_query(document, item, operation, address.query)]
                found += _body(vendor, document, operation, received.body)
                judged.append([f"{what}: {fault}" for fault in found])
    # Some describe an operation in two files, one of them more fully.
    return min(judged, key=len, default=[f"{what}: there is no such operation"])


def followed(document: dict[str, Any], node: Any) -> Any:
    """Return *node*, or what it refers to elsewhere in *document*."""
    if "$ref" not in node:
        return node
    return functools.reduce(lambda at, step: at[step], node["$ref"].removeprefix("#/").split("/"), document)


@functools.cache
def _documents(vendor: str) -> dict[str, dict[str, Any]]:
    folder = os.environ.get("VENDOR_SPECS_DIR")
    paths = [path for path in Path(folder, vendor).glob("*") if path.suffix in (".json", ".yaml")] if folder else []
    return {path.name: _parsed(path) for path in paths}


def _parsed(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    # The safe loader that is written in C: Pipedrive's files have 50,000 lines.
    return json.loads(text) if path.suffix == ".json" else yaml.load(text, yaml.CSafeLoader)


def _query(document: dict[str, Any], item: Any, operation: Any, query: str) -> Iterator[str]:
    named = [followed(document, one) for one in (*item.get("parameters", ()), *operation.get("parameters", ()))]
    known = {one["name"]: one for one in named if one.get("in") == "query"}
    given = dict(parse_qsl(query, keep_blank_values=True))
    yield from (f"unknown parameter {name}" for name in given if name not in known)
    yield from (f"missing parameter {name}" for name, one in known.items() if one.get("required") and name not in given)
    for name, value in given.items():
        schema = known.get(name, {}).get("schema", {})
        if value not in schema.get("enum", [value]):
            yield f"{name}={value} is none of {schema['enum']}"
        if schema.get("type") == "integer" and not re.fullmatch("-?[0-9]+", value):
            yield f"{name}={value} is no whole number"


def _body(vendor: str, document: dict[str, Any], operation: Any, body: bytes) -> Iterator[str]:
    if "requestBody" not in operation:
        yield from (["a body is not asked for"] if body else [])
        return
    asked = followed(document, operation["requestBody"])
    schema = {**asked["content"]["application/json"]["schema"], "components": document["components"]}
    # A reference to another file leads to the network; the file is here.
    registry: Registry[Any] = Registry(
        retrieve=lambda uri: DRAFT202012.create_resource(_documents(vendor)[uri.rpartition("/")[2]])
    )
    said = json.loads(body)
    for error in jsonschema.Draft202012Validator(schema, registry=registry).iter_errors(said):
        yield f"{error.json_path}: {error.message}"
    yield from _unknown(schema, said, "$")


def _unknown(schema: Any, said: Any, path: str) -> Iterator[str]:
    """Yield the fields that *schema* lists nowhere: an OpenAPI schema allows them, a vendor drops or refuses them."""
    if isinstance(said, list) and "items" in schema:
        for at, one in enumerate(said):
            yield from _unknown(schema["items"], one, f"{path}[{at}]")
    if isinstance(said, dict) and "properties" in schema:
        for name, one in said.items():
            if name in schema["properties"]:
                yield from _unknown(schema["properties"][name], one, f"{path}.{name}")
            elif "additionalProperties" not in schema:
                yield f"{path}.{name} is not in the specification"
