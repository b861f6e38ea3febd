"""What the persona answers when it is led to tools: several at once, one that has to be found, a structured answer."""

from __future__ import annotations

import re
from typing import Any

from compat_pipeline.emulator.contract import Call, Json
from compat_pipeline.emulator.script import Said, Script, Turn, offers, result_text, text, tool_use, uses
from compat_pipeline.wire.exchange import NONCE_PATTERN

# Tools of Claude Code
_SEARCH, _STRUCTURED, _TASK = "ToolSearch", "StructuredOutput", "TaskCreate"


def _run_both(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    """Two commands in one turn; their outputs are told apart by the ids of the calls, last command first."""
    *commands, nonce = match.groups()
    if turn.tool_results:
        asked = {block["id"]: block["input"].get("command") for _, _, block in call.blocks() if _is_call(block)}
        outputs = {asked.get(block["tool_use_id"]): result_text(block) for block in turn.tool_results}
        return text(call, " ".join([nonce, *(outputs.get(command, "nothing") for command in reversed(commands))]))
    if offers(call, "Bash"):
        return uses(*(tool_use(call, "Bash", {"command": command}) for command in commands))
    return text(call, f"{nonce} I have no Bash tool.")


def _draw(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    name, label, nonce = match.groups()
    if turn.tool_results:
        return text(call, f"{nonce} {result_text(turn.tool_results[-1])}")
    if offers(call, name):
        return uses(tool_use(call, name, {"label": label}))
    return text(call, f"{nonce} I have no tool {name}.")


def _create_task(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    """A tool that has to be found first: Claude Code names those in the prompt and leaves their definitions out."""
    subject, nonce = match.groups()
    called = {block["id"]: block["name"] for _, _, block in call.blocks() if _is_call(block)}
    results = [result_text(block) for block in turn.tool_results if called.get(block["tool_use_id"]) == _TASK]
    if results:
        number = re.search(r"#(\d+)", results[-1])
        return text(call, f"{nonce} {number[1] if number else 'no number'}")
    if offers(call, _TASK):
        return uses(tool_use(call, _TASK, {"subject": subject, "description": subject}))
    if offers(call, _SEARCH) and _SEARCH not in called.values():
        return uses(tool_use(call, _SEARCH, {"query": f"select:{_TASK}", "max_results": 1}))
    return text(call, f"{nonce} I have no tool {_TASK}.")


def _fill_in(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    schema = next((tool.get("input_schema") for tool in call.tools if tool.get("name") == _STRUCTURED), None)
    if turn.tool_results or schema is None:
        return text(call, match[1] if schema else f"{match[1]} I have no structured answer to give.")
    return uses(tool_use(call, _STRUCTURED, _filled(schema, match[1])))


def _filled(schema: Json, code: str) -> Any:
    """A value for `schema`: the last that is allowed, `code` where anything is."""
    if "enum" in schema:
        return schema["enum"][-1]
    if "properties" in schema:
        return {name: _filled(inner, code) for name, inner in schema["properties"].items()}
    return code


def _is_call(block: Json) -> bool:
    return block.get("type") == "tool_use"


SCRIPTS = (
    Script(
        re.compile(
            r"Run both of these commands at once, with two calls of the Bash tool in one message: `([^`]+)` and "
            rf"`([^`]+)`\. Then reply with the code ({NONCE_PATTERN}), the output of the second and that of the first"
        ),
        _run_both,
    ),
    Script(
        re.compile(
            rf"Call the tool (\w+) once, with the label `([^`]+)`\. Then reply with the code ({NONCE_PATTERN}) "
            "followed by what it returned"
        ),
        _draw,
    ),
    Script(
        re.compile(
            rf"Create a task with the subject `([^`]+)`\. Then reply with the code ({NONCE_PATTERN}) followed by the "
            "number of the task"
        ),
        _create_task,
    ),
    Script(
        re.compile(
            rf"Give a structured answer: `code` is ({NONCE_PATTERN}), and everything else the last value that its "
            "schema allows"
        ),
        _fill_in,
    ),
)
