"""Structured outputs: the JSON a model is held to when a request asks for a schema."""

from __future__ import annotations

import json
from typing import Any

from compat_pipeline.emulator.contract import Call, Json
from compat_pipeline.emulator.shapes import shows

_BY_TYPE: Json = {"integer": 1, "number": 1, "boolean": True, "null": None}
_MAX_DEPTH = 20


def held_to_schema(call: Call, content: list[Json]) -> list[Json]:
    """Rule J1: with `output_config.format`, text is JSON of that schema; its strings are what would have been said."""
    if not shows("J1", call):
        return content
    schema = call.setting("output_config")["format"].get("schema")
    return [
        {**block, "text": json.dumps(_instance(schema, block["text"]))} if block["type"] == "text" else block
        for block in content
    ]


def _instance(schema: Any, said: str, depth: int = 0) -> Any:
    """A value of `schema`: every property, one item per list, the first of several choices."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    for choices in ("enum", "anyOf", "oneOf"):
        if isinstance(options := schema.get(choices), list) and options:
            return options[0] if choices == "enum" else _instance(options[0], said, depth + 1)
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties")
        fields = properties if isinstance(properties, dict) else {}
        return {name: _instance(field, said, depth + 1) for name, field in fields.items()}
    if kind == "array":
        return [_instance(schema.get("items"), said, depth + 1)]
    return _BY_TYPE.get(kind, said) if isinstance(kind, str) else said
