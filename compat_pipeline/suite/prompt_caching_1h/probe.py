"""A cache of an hour is asked for, written, counted as one of an hour on both sides, and read by the second call.

Source: Anthropic, prompt caching (`ttl: 1h`; `cache_creation.ephemeral_1h_input_tokens`), on all five providers.
Claude Code asks for it with ENABLE_PROMPT_CACHING_1H=1. LiteLLM bugs #26625, #41424, #32730 and #19123 (marker lost,
counts lost); on Converse the split of what was written is lost on streaming.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.prompt_caching_5m.probe import cache_markers, prove_cache_counts
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING

_SWITCHES = {**WITHOUT_THINKING, "ENABLE_PROMPT_CACHING_1H": "1"}


def probe(run: CellRun) -> Outcome:
    """Two calls from one folder, so that both prompts are the same to the byte."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    with run.sandbox() as sandbox:
        first, second = (run.converse(nonce, prompt, sandbox=sandbox, extra_env=_SWITCHES) for _ in range(2))

    for which, talk in (("first", first), ("second", second)):
        due, came = (cache_markers(request) for request in (talk.client[0].request, talk.exchanges[0].request))
        prove(len(came) == len(due), f"{len(due)} cache markers left the CLI in the {which} call, {len(came)} arrived")
        prove(_of_an_hour(due), f"Claude Code was to ask for a cache of an hour, it asked for {due}", "client")
        prove(_of_an_hour(came), f"a cache of an hour was asked for, not {came}")
        talk.prove_answer(nonce)
        prove_cache_counts(run, talk, which)
        counted = talk.replies[0]["usage"]["cache_creation"]["ephemeral_1h_input_tokens"]
        told = talk.result.usage.ephemeral_1h_input_tokens
        prove(told == counted, f"the upstream cached {counted} tokens for an hour, the CLI was told {told}")
    # The counts are the upstream's own, so from here on it is the provider who speaks.
    written, read = first.result.usage, second.result.usage
    expect_of_model(written.ephemeral_1h_input_tokens > 0, "the provider wrote nothing to its cache of an hour")
    expect_of_model(
        read.cache_read_input_tokens >= written.cache_read_input_tokens + written.cache_creation_input_tokens,
        f"the provider read {read.cache_read_input_tokens} tokens from its cache, it had written "
        f"{written.cache_creation_input_tokens} and read {written.cache_read_input_tokens} before",
    )
    return run.passed()


def _of_an_hour(markers: Sequence[Mapping[str, Any]]) -> bool:
    return bool(markers) and all(one.get("ttl") == "1h" for one in markers)
