"""The user's JSON schema reaches the model whole, and the structured answer is what the model said.

Source: Claude Code, `--json-schema` (measured on 2.1.329: a tool named StructuredOutput whose input is the answer);
Anthropic, tool use. LiteLLM bugs #39070 (Invoke drops the schema and answers prose), #18241 (schema stripped). The
names and values in the schema are random: an answer that fits them was made from the schema.
"""

from __future__ import annotations

import secrets
from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, offered, tool_calls

_TOOL = "StructuredOutput"


def probe(run: CellRun) -> Outcome:
    """Ask for an answer that nobody can give without the schema."""
    nonce, word, number = run.nonce(), secrets.token_hex(4), secrets.randbelow(10**6)
    schema = _object(
        code={"type": "string"},
        **{f"word_{secrets.token_hex(2)}": {"type": "string", "enum": [secrets.token_hex(4), word]}},
        nested=_object(**{f"number_{secrets.token_hex(2)}": {"type": "integer", "enum": [-1, number]}}),
    )
    expected = _answer_to(schema, nonce)
    prompt = f"Give a structured answer: `code` is {nonce}, and everything else the last value that its schema allows."
    talk = run.converse(nonce, prompt, json_schema=schema, extra_env=WITHOUT_THINKING)

    came = (offered(talk.exchanges[0].request, _TOOL) or {}).get("input_schema") or {}
    harmed = [part for part in schema if came.get(part) != schema[part]]
    prove(
        came == schema, f"of the schema {', '.join(harmed) or 'nothing'} was lost or changed, the upstream got {came}"
    )
    said = [call["input"] for call in tool_calls(talk.replies[0])]
    expect_of_model(said == [expected], f"the model was led to answer {expected}, but answered {said}")
    told = talk.result.structured_output
    prove(told == expected, f"the upstream answered {expected}, the CLI was told {told}")
    return run.passed()


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _answer_to(schema: dict[str, Any], code: str) -> Any:
    """What the prompt asks for: the last value of an enumeration, `code` where anything is allowed."""
    if "enum" in schema:
        return schema["enum"][-1]
    if "properties" in schema:
        return {name: _answer_to(inner, code) for name, inner in schema["properties"].items()}
    return code
