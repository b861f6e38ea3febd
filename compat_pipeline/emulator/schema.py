"""The owners' published types as judges of a request: the `anthropic` package's, and botocore's service model."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator
from pydantic import ConfigDict, TypeAdapter
from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as core

from compat_pipeline.emulator.contract import Json

_HEADER_FIELDS = frozenset({"betas", "workspace_id", "user_profile_id"})
# Newer editions of the published types leave these out, because newer models refuse them (rule P1); older ones do not.
SAMPLING = ("temperature", "top_k", "top_p")
_FIELDS_OF_WIRES = {
    **dict.fromkeys(SAMPLING, core.typed_dict_field(core.float_schema(), required=False)),
    "stream": core.typed_dict_field(core.bool_schema(), required=False),
    "anthropic_version": core.typed_dict_field(core.str_schema(), required=True),
    "anthropic_beta": core.typed_dict_field(core.list_schema(core.str_schema()), required=False),
}


@dataclass(frozen=True)
class BodyType:
    """How a wire's body differs from the published Messages request: fields it lacks, fields it adds.

    With `counts` the request is one to count tokens. The published types hold what travels as headers (`betas` ...)
    too: no body has those.
    """

    counts: bool = False
    lacks: frozenset[str] = frozenset()
    adds: tuple[str, ...] = ()

    def complaint(self, body: Json) -> str | None:
        """The first violation in the API's own wording, `path: message`; None for a sound body."""
        try:
            _validator(self).validate_python(_with_default_tags(body))
        except ValidationError as invalid:
            first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
            return f"{_path(first['loc'])}: {first['msg']}"
        return None


_FIRST_PARTY_ONLY = frozenset({"container", "mcp_servers", "inference_geo", "service_tier"})

MESSAGES = BodyType(adds=("stream",))
COUNT_TOKENS = BodyType(counts=True)
VERTEX = BodyType(lacks=_FIRST_PARTY_ONLY | {"model"}, adds=("stream", "anthropic_version"))
BEDROCK_INVOKE = BodyType(lacks=_FIRST_PARTY_ONLY | {"model"}, adds=("anthropic_version", "anthropic_beta"))
BEDROCK_CONVERSE = BodyType(lacks=BEDROCK_INVOKE.lacks, adds=("anthropic_beta",))


def converse_complaint(body: Json, model: str) -> str | None:
    """What botocore's service model says against a Converse body; None for a sound one."""
    report = ParamValidator().validate({**body, "modelId": model}, _converse_request())
    return str(report.generate_report()).splitlines()[0] if report.has_errors() else None


@functools.cache
def _converse_request() -> Shape:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2")).shape_for("ConverseRequest")


@functools.cache
def _validator(body_type: BodyType) -> SchemaValidator:
    published: Any = _adapter(body_type.counts).core_schema
    definitions = {entry["ref"]: entry for entry in published.get("definitions", ())}
    body = dict(published["schema"]["items_schema"] if definitions else published["items_schema"])
    gone = _HEADER_FIELDS | body_type.lacks
    body["fields"] = {name: field for name, field in body["fields"].items() if name not in gone}
    body["fields"] |= {name: _FIELDS_OF_WIRES[name] for name in (*body_type.adds, *SAMPLING)}
    schema = _strict(body, definitions)
    return SchemaValidator(
        core.definitions_schema(schema, [_strict(entry, definitions) for entry in definitions.values()])
    )


def _adapter(counts: bool) -> TypeAdapter[Any]:
    """The published type of a request. Loading it is most of an emulator's start, so that waits for a request."""
    from anthropic.types.beta.message_count_tokens_params import MessageCountTokensParams
    from anthropic.types.beta.message_create_params import MessageCreateParamsBase

    published = MessageCountTokensParams if counts else MessageCreateParamsBase
    with warnings.catch_warnings():  # a few published types allow extra items and say so
        warnings.simplefilter("ignore")
        return TypeAdapter(list[published], config=ConfigDict(extra="forbid"))  # type: ignore[valid-type]


def _strict(schema: Any, definitions: dict[str, Any]) -> Any:
    """The published schema as a server reads it: lists are read to their end, unions are told apart by their tag.

    Published as `Iterable`, lists would not be looked into; published as plain unions, one wrong field would be
    reported once for every member of the union.
    """
    if isinstance(schema, list | tuple):
        return [_strict(entry, definitions) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "generator":
        return {"type": "list", "items_schema": _strict(schema["items_schema"], definitions)}
    if schema.get("type") == "union":
        return _tagged(schema, definitions)
    return {name: _strict(value, definitions) if name != "cls" else value for name, value in schema.items()}


def _tagged(union: Any, definitions: dict[str, Any]) -> Any:
    choices = [choice[0] if isinstance(choice, tuple) else choice for choice in union["choices"]]
    targets = [
        definitions[choice["schema_ref"]] if choice["type"] == "definition-ref" else choice for choice in choices
    ]
    kinds = {target["type"] for target in targets}
    if kinds == {"str", "generator"}:
        by_kind = {
            f"{target['type']}()": _strict(choice, definitions) for target, choice in zip(targets, choices, strict=True)
        }
        return core.tagged_union_schema(by_kind, _text_or_list)
    if kinds <= {"typed-dict", "model", "union"} and "typed-dict" in kinds:  # the last two: the SDK's own objects
        dicts = [
            (choice, target) for choice, target in zip(choices, targets, strict=True) if target["type"] == "typed-dict"
        ]
        for tag in ("type", "role"):
            tagged = {value: _strict(choice, definitions) for choice, target in dicts for value in _tags(target, tag)}
            if len(tagged) >= len(dicts):
                return core.tagged_union_schema(tagged, tag)
    return {**union, "choices": [_strict(choice, definitions) for choice in choices]}


def _tags(typed_dict: Any, name: str) -> Iterator[str]:
    schema = typed_dict["fields"].get(name, {}).get("schema", {})
    while schema.get("type") in ("nullable", "default"):
        schema = schema["schema"]
    yield from (schema["expected"] if schema.get("type") == "literal" else ())


def _text_or_list(value: Any) -> str | None:
    if isinstance(value, str):
        return "str()"
    return "generator()" if isinstance(value, list) else None


def _with_default_tags(body: Json) -> Json:
    """A tool without a type is a custom one."""
    tools = body.get("tools")
    if not isinstance(tools, list):
        return body
    return {**body, "tools": [{"type": "custom", **tool} if isinstance(tool, dict) else tool for tool in tools]}


def _path(location: tuple[int | str, ...]) -> str:
    """The API's path: a block's tag appears in it (`tools.0.custom.name`), a message's role does not."""
    parts = [str(part) for part in location if not str(part).endswith("()")]
    if parts[0] == "messages" and parts[2:3] in (["user"], ["assistant"], ["system"]):
        del parts[2]
    if "cache_control" in parts[:-1]:
        parts.insert(parts.index("cache_control") + 1, "ephemeral")
    return ".".join(parts)
