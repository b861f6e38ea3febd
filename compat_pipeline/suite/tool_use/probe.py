"""A tool call arrives whole, its result goes back, and the answer depends on it, in exactly two turns.

Source: Anthropic's tool use documentation; LiteLLM bugs #15307, #25561 and #29491 (tool input lost on the way).
"""

from __future__ import annotations

import secrets

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, prove_tool_turn


def probe(run: CellRun) -> Outcome:
    """Let the model echo a random word and report it."""
    nonce, word = run.nonce(), secrets.token_hex(4)
    command = f"echo {word}"
    prompt = (
        f"Use the Bash tool to run exactly this command: `{command}`. "
        f"Then reply with the code {nonce} followed by the command's output."
    )
    talk = run.converse(
        nonce, prompt, turns=2, tools=("Bash",), allowed_tools=("Bash(echo:*)",), extra_env=WITHOUT_THINKING
    )

    prove_tool_turn(talk, 0, Due("Bash", {"command": command}, word))
    talk.prove_answer(f"{nonce} {word}")
    return run.passed()
