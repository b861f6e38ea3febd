"""`/compact` sends the whole conversation to be summarised; the next prompt carries the summary in its place.

Source: Claude Code, `/compact` (also what happens by itself when the context window is nearly full); 2.1.329 asks for
the summary in an ordinary streamed message without tool calls, and takes what stands between `<summary>` tags. It is
not the API's own compaction (beta `compact-2026-01-12`), which Claude Code does not ask for. A summary that arrives
without its tags is asked for a second time: one request too many.
"""

from __future__ import annotations

import re
import secrets

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import said, user_text
from compat_pipeline.suite.multi_turn_resume.probe import spoken
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING

_SUMMARY = re.compile(r"<summary>(.*?)</summary>", re.DOTALL)


def probe(run: CellRun) -> Outcome:
    """Tell a password, compact, ask for the password."""
    nonce, password = run.nonce(), secrets.token_hex(4)
    telling = f"The password is {password}. Reply with exactly this code and nothing else: {nonce}"
    asking = (
        f"Which password did I tell you? Reply with the code {nonce} followed by that password, separated by a single "
        "space, and nothing else."
    )
    turns = tuple(({"type": "text", "text": words},) for words in (telling, "/compact", asking))
    talk = run.converse(nonce, messages=turns, turns=3, nested=True, extra_env=WITHOUT_THINKING)

    whole, compacted = talk.exchanges[1].request, talk.exchanges[2].request
    prove(telling in user_text(whole), "what the user had said did not reach the model that was to summarise it")
    answers = spoken(whole)
    prove(answers == [nonce], f"the model had answered '{nonce}', the request for a summary has it say {answers}")
    found = _SUMMARY.search(said(talk.replies[1]))
    summary = found[1].strip() if found else ""
    expect_of_model(password in summary, f"the model was led to keep the password, but summarised: {summary}")
    prove(summary in user_text(compacted), "the next prompt does not carry the summary that the model wrote", "client")
    prove(spoken(compacted) == [], "the next prompt still carries the conversation that was compacted", "client")
    prove(asking in user_text(compacted), "the prompt after the summary did not reach the upstream whole")
    talk.prove_answer(f"{nonce} {password}")
    return run.passed()
