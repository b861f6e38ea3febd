"""The thinking before a tool call goes back with the tool's result as it came: its text, its signature, its place.

Source: Anthropic, extended thinking with tool use (a thinking block that led to a tool call must be passed back
unmodified, before the call; the provider refuses it otherwise); LiteLLM bugs #36507 and #38809 (effort dropped,
thinking swallowed on Converse), #29441 (a delta that does not fit its block).
"""

from __future__ import annotations

import secrets
from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks
from compat_pipeline.suite.extended_thinking.probe import prove_thinking_asked, thinking_blocks
from compat_pipeline.suite.tool_turn import Due, prove_tool_turn, tool_calls
from compat_pipeline.suite.ways import in_either_shape


def probe(run: CellRun) -> Outcome:
    """A tool turn that meets both shapes; a red one says if only one of them is to blame."""
    return in_either_shape(run, _use_tool)


def _use_tool(run: CellRun) -> Outcome:
    """Let the model echo a random word at high effort and report it."""
    nonce, word = run.nonce(), secrets.token_hex(4)
    command = f"echo {word}"
    prompt = (
        f"Use the Bash tool to run exactly this command: `{command}`. "
        f"Then reply with the code {nonce} followed by the command's output."
    )
    talk = run.converse(nonce, prompt, turns=2, tools=("Bash",), allowed_tools=("Bash(echo:*)",), effort="high")

    for number, (client, exchange) in enumerate(zip(talk.client, talk.exchanges, strict=True), start=1):
        prove_thinking_asked(client, exchange, f"turn {number}")
    sent = [_signed(reply["content"]) for reply in talk.replies]
    expect_of_model(bool(sent[0]), "the model was led to think before it called the tool, but did not")
    told = [(block.text, block.signature) for block in talk.result.thinking]
    prove(
        told == [thought for reply in sent for thought in reply],
        f"{sum(map(len, sent))} thinking block(s) left the upstream, {len(told)} reached the CLI or were changed",
    )
    prove_tool_turn(talk, 0, Due("Bash", {"command": command}, word))
    before = _before_call(talk.exchanges[1].request, tool_calls(talk.replies[0])[0]["id"])
    prove(
        _signed(before) == sent[0],
        f"before the tool call {len(sent[0])} thinking block(s) should have gone back as they came: "
        f"{len(_signed(before))} did, or were changed",
    )
    talk.prove_answer(f"{nonce} {word}")
    return run.passed()


def _signed(content: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(text, signature) of the thinking blocks among content blocks."""
    return [(block["thinking"], block["signature"]) for block in thinking_blocks(content)]


def _before_call(request: dict[str, Any], tool_use_id: str) -> list[dict[str, Any]]:
    """The blocks before a tool call in the assistant's message that makes it."""
    for message in request["messages"]:
        content = blocks(message)
        for place, block in enumerate(content):
            if block.get("type") == "tool_use" and block["id"] == tool_use_id:
                return content[:place]
    return []
