"""A second Claude Code takes up the first one's session: the upstream sees both turns, the answer depends on the first.

Source: Claude Code, `--session-id` and `--resume`; Anthropic Messages is stateless, so a resumed turn carries all
that was said before. LiteLLM bug #25375 (a replayed conversation refused or thinned out).
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.crossing import said, user_text
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING


def probe(run: CellRun) -> Outcome:
    """Tell a password in one process, ask for it in another."""
    first_nonce, second_nonce, password = run.nonce(), run.nonce(), secrets.token_hex(4)
    telling = f"The password is {password}. Reply with exactly this code and nothing else: {first_nonce}"
    asking = (
        f"Which password did I tell you? Reply with the code {second_nonce}, then that password, then the code that "
        "you replied with before, separated by single spaces, and nothing else."
    )
    session: dict[str, Any] = {"session_id": str(uuid.uuid4()), "extra_env": WITHOUT_THINKING}
    with run.sandbox() as sandbox:
        first = run.converse(first_nonce, telling, sandbox=sandbox, **session)
        first.prove_answer(first_nonce)
        second = run.converse(second_nonce, asking, sandbox=sandbox, resume=True, **session)

    resumed = second.exchanges[0].request
    prove(telling in user_text(resumed), "what the user said before the session was resumed did not reach the upstream")
    answers = spoken(resumed)
    prove(answers == [first_nonce], f"the model had answered '{first_nonce}', the resumed turn has it say {answers}")
    second.prove_answer(f"{second_nonce} {password} {first_nonce}")
    return run.passed()


def spoken(request: dict[str, Any]) -> list[str]:
    """What the model said in each earlier turn of a Messages request."""
    return [said(message).strip() for message in request["messages"] if message["role"] == "assistant"]
