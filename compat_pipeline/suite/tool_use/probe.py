"""A tool call arrives whole, its result goes back, and the answer depends on it, in exactly two turns.

Source: Anthropic's tool use documentation; LiteLLM bugs #15307, #25561 and #29491 (tool input lost on the way).
"""

from __future__ import annotations

import secrets

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks

# Thinking across tool calls is another feature; without it a fault of thinking cannot turn this row red.
_NO_THINKING = {"MAX_THINKING_TOKENS": "0"}


def probe(run: CellRun) -> Outcome:
    """Let the model echo a random word and report it."""
    nonce, word = run.nonce(), secrets.token_hex(4)
    command = f"echo {word}"
    prompt = (
        f"Use the Bash tool to run exactly this command: `{command}`. "
        f"Then reply with the code {nonce} followed by the command's output."
    )
    talk = run.converse(
        nonce, prompt, turns=2, tools=("Bash",), allowed_tools=("Bash(echo:*)",), extra_env=_NO_THINKING
    )

    issued = [block for block in talk.replies[0]["content"] if block["type"] == "tool_use"]
    asked = [(block["name"], block["input"].get("command")) for block in issued]
    expect_of_model(asked == [("Bash", command)], f"the model was led to run '{command}', but asked for {asked}")
    calls = talk.result.tool_calls
    prove([call.name for call in calls] == ["Bash"], f"one Bash call was due, the CLI saw {[c.name for c in calls]}")
    seen = calls[0].input.get("command")
    prove(seen == command, f"the tool input lost its command: '{seen}' instead of '{command}'")
    returned = [
        block
        for block in blocks(talk.exchanges[1].request["messages"][-1])
        if block.get("type") == "tool_result" and word in str(block.get("content"))
    ]
    prove(len(returned) == 1, "the tool's output did not reach the upstream")
    prove(
        returned[0]["tool_use_id"] == issued[0]["id"],
        f"the result answers tool call {returned[0]['tool_use_id']}, the upstream issued {issued[0]['id']}",
    )
    talk.prove_answer(f"{nonce} {word}")
    return run.passed()
