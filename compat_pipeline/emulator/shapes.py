"""Every rule on how answers look: one entry each, with its source and the symptom it reproduces.

A wire asks `shows(id, call)` where a rule holds for some answers only; a rule that always holds is how the wire is
written. [R] recording in a public repository, [D] documentation, [I] issue with live evidence, [J] our judgement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compat_pipeline.emulator.contract import Call, Provider

_CONVERSE: tuple[Provider, ...] = ("bedrock_converse",)
_BEDROCK: tuple[Provider, ...] = ("bedrock_invoke", "bedrock_converse")
_ALL: tuple[Provider, ...] = ("anthropic", "azure", "vertex_ai", *_BEDROCK)
_FINE_GRAINED = "fine-grained-tool-streaming-2025-05-14"
_DEEP_EFFORTS = frozenset({"high", "xhigh", "max"})


def _always(_: Call) -> bool:
    return True


def _odd_turn(call: Call) -> bool:
    return _now_and_then(call, call.turn % 2 == 1) and not shows("C8", call)


def _even_turn(call: Call) -> bool:
    return _now_and_then(call, call.turn % 2 == 0)


def _now_and_then(call: Call, this_turn: bool) -> bool:
    return this_turn if call.shapes_shown is None else call.shapes_shown


def _opus_4_7(call: Call) -> bool:
    return call.facts.name == "claude-opus-4-7"


def _thinks(call: Call) -> bool:
    kind = call.setting("thinking").get("type")
    return kind == "enabled" or (kind == "adaptive" and call.setting("output_config").get("effort") in _DEEP_EFFORTS)


def _asks_for_fine_tools(call: Call) -> bool:
    return _FINE_GRAINED in call.betas or any(tool.get("eager_input_streaming") is True for tool in call.tools)


def _omits_thought(call: Call) -> bool:
    display = call.setting("thinking").get("display")
    return shows("C8", call) or (display if display in ("summarized", "omitted") else call.facts.display) == "omitted"


@dataclass(frozen=True)
class Shape:
    """A rule on how answers look. `applies` says whether the answer to a call shows it."""

    id: str
    providers: tuple[Provider, ...]
    source: str
    symptom: str
    applies: Callable[[Call], bool] = _always


def shows(shape_id: str, call: Call) -> bool:
    """Whether the answer to `call` takes that shape."""
    shape = SHAPES[shape_id]
    return call.provider in shape.providers and shape.applies(call)


_ENTRIES = (
    Shape(
        "C1",
        _CONVERSE,
        "[R] three recordings, one without; [I] litellm#33315; on odd turns [J]: a two-turn cell meets both",
        "an empty reasoning delta before the signature: 'Content block is not a text block' up to 1.93.0",
        _odd_turn,
    ),
    Shape(
        "C2",
        _CONVERSE,
        "[R]; [D] botocore: ContentBlockStart has no member for text or reasoning; [I] litellm#24767",
        "no start event for text or reasoning: empty or cut text",
    ),
    Shape(
        "C3",
        _ALL,
        "[R]; [I] litellm#30024",
        "a short answer comes as one or two deltas: empty text on 1.83.14",
    ),
    Shape(
        "C4",
        _CONVERSE,
        "[R]; [I] litellm#26554; on even turns [J]",
        "the first text delta is empty: a blank text block is replayed and refused",
        _even_turn,
    ),
    Shape(
        "C5",
        _CONVERSE,
        "[R]; [I] litellm#15307 #25561",
        "a tool call is a start and input deltas, without arguments one empty delta: `input: {}`",
    ),
    Shape("C6", _BEDROCK, "[R]", "Converse tool ids read `tooluse_...`, events carry padding `p` of any length"),
    Shape("C7", _CONVERSE, "[R]", "usage comes last, in metadata only: zero usage at message_start"),
    Shape(
        "C8",
        _CONVERSE,
        "[I] litellm#26554 #38809",
        "Opus 4.7 reasons without text: one signature delta, thinking block swallowed",
        _opus_4_7,
    ),
    Shape(
        "C9",
        _CONVERSE,
        "[I] litellm#36507; kept by M2",
        "Opus 4.7, adaptive without effort: no reasoning, thinking row red for Opus alone",
    ),
    Shape(
        "C12",
        _CONVERSE,
        "[R]; [I] litellm#25375; asked for by the trigger that Anthropic documents for Claude 3.7 [J]",
        "redacted reasoning is one delta a block, without a signature, several blocks: the next turn is refused",
    ),
    Shape(
        "C17",
        _ALL,
        "[D] botocore: ConverseStreamOutput; Anthropic: error events; armed as `broken_stream`",
        "an error after HTTP 200: a cut stream is taken for success",
    ),
    Shape(
        "A1",
        _BEDROCK,
        "[I] litellm#38579",
        "a bearer token is as good as a signature: 500 without AWS keys on 1.99.1-1.100.1",
    ),
    Shape(
        "M2",
        _ALL,
        "[D] AWS adaptive thinking: nearly always at high effort, may skip below; made a fixed choice [J]",
        "thinking at effort high and above, never below: effort lost on the way shows as no thinking",
        _thinks,
    ),
    Shape(
        "F1",
        _ALL,
        "[D] Anthropic fine-grained tool streaming; [I] litellm#30230; the length of the pieces [J]",
        "asked for by a tool's field or the beta: a tool's input comes in many pieces, however short it is",
        _asks_for_fine_tools,
    ),
    Shape(
        "J1",
        _ALL,
        "[D] Anthropic structured outputs, AWS structured output; [I] litellm#39070",
        "with a schema asked for, text is JSON of it: a schema dropped on the way shows as prose",
        lambda call: isinstance(call.setting("output_config").get("format"), dict),
    ),
    Shape(
        "W2",
        ("anthropic", "azure", "vertex_ai"),
        "[D] Anthropic web search, its streaming example and citations",
        "a search and its result are blocks of the answer; the result comes whole, citations as deltas",
    ),
    Shape(
        "D1",
        _ALL,
        "[D] Anthropic: thinking display, omitted by default on Opus 4.7; `updates` there as the default [J]",
        "a thinking block without text, signature only",
        _omits_thought,
    ),
)

SHAPES = {shape.id: shape for shape in _ENTRIES}
