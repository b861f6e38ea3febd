"""Two tool calls of one turn arrive whole and apart, and both results go back in one turn, each under its own id.

Source: Anthropic, parallel tool use (all results in one user turn); LiteLLM bugs #15307, #25561 and #29491 (calls
mis-indexed, input lost).
"""

from __future__ import annotations

import secrets

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, prove_tool_turn


def probe(run: CellRun) -> Outcome:
    """Let the model echo two random words at once and report them in the other order."""
    nonce, first, second = run.nonce(), secrets.token_hex(4), secrets.token_hex(4)
    prompt = (
        f"Run both of these commands at once, with two calls of the Bash tool in one message: `echo {first}` and "
        f"`echo {second}`. Then reply with the code {nonce}, the output of the second and that of the first, "
        "separated by single spaces, and nothing else."
    )
    talk = run.converse(
        nonce, prompt, turns=2, tools=("Bash",), allowed_tools=("Bash(echo:*)",), extra_env=WITHOUT_THINKING
    )

    prove_tool_turn(talk, 0, *(Due("Bash", {"command": f"echo {word}"}, word) for word in (first, second)))
    talk.prove_answer(f"{nonce} {second} {first}")
    return run.passed()
