"""The same prompt twice: the first call writes the cache, the second reads it, and the counts are the upstream's.

Source: Anthropic's prompt caching documentation; LiteLLM bugs #26625, #41424, #32730 and #19123 (cache marker lost,
counts lost, nothing read at full price), #31069 (no counts at the start of a stream, from which gauges read them).
"""

from __future__ import annotations

from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import INPUT_COUNTS, CellRun, Talk, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks

_PROMPT = ("tools", "system", "messages")
_CACHE_COUNTS = ("cache_creation_input_tokens", "cache_read_input_tokens")
_COUNTED_LAST = frozenset({"bedrock_converse"})
"""Providers whose streams tell no counts before their end (AWS: ConverseStream's `metadata`)."""


def probe(run: CellRun) -> Outcome:
    """Two calls from one folder, so that both prompts are the same to the byte."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    with run.sandbox() as sandbox:
        first = run.converse(nonce, prompt, sandbox=sandbox)
        second = run.converse(nonce, prompt, sandbox=sandbox)

    for which, talk in (("first", first), ("second", second)):
        markers = cache_markers(talk.exchanges[0].request)
        placed = cache_markers(talk.client[0].request)
        prove(
            bool(markers) and len(markers) == len(placed),
            f"the CLI placed {len(placed)} cache_control in the {which} call, {len(markers)} reached the upstream",
        )
        prove(all(one.get("ttl", "5m") == "5m" for one in markers), f"a 5 minute cache was asked for, not {markers}")
        talk.prove_answer(nonce)
        prove_cache_counts(run, talk, which)
    prompts = [[talk.exchanges[0].request.get(part) for part in _PROMPT] for talk in (first, second)]
    prove(prompts[0] == prompts[1], "the same prompt reached the upstream in two versions: no cache can hit")
    # The counts are the upstream's own, so from here on it is the provider who speaks.
    written, read = first.result.usage, second.result.usage
    expect_of_model(written.cache_creation_input_tokens > 0, "the provider wrote nothing to its cache")
    expect_of_model(
        read.cache_read_input_tokens >= written.cache_read_input_tokens + written.cache_creation_input_tokens,
        f"the provider read {read.cache_read_input_tokens} tokens from its cache, it had written "
        f"{written.cache_creation_input_tokens} and read {written.cache_read_input_tokens} before",
    )
    prove(written.ephemeral_1h_input_tokens == 0, "a cache of 5 minutes was counted as one of an hour")
    return run.passed()


def prove_cache_counts(run: CellRun, talk: Talk, which: str) -> None:
    """What the upstream counted is what the CLI told in the end, and what the stream told at its start."""
    starts = (event["message"] for event in talk.client[0].events if event["type"] == "message_start")
    counted, begun = talk.replies[0]["usage"], next(starts)["usage"]
    for name in INPUT_COUNTS:
        due, told = counted[name], getattr(talk.result.usage, name)
        prove(told == due, f"the upstream counted {due} {name} in the {which} call, the CLI was told {told}")
    for name in _CACHE_COUNTS:
        due, told = counted[name], begun.get(name)
        prove(told is not None, f"the stream of the {which} call began without {name}")
        prove(
            told == due or run.cell.provider in _COUNTED_LAST,
            f"the upstream counted {due} {name} when the {which} call began, its message_start told {told}",
        )


def cache_markers(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Every `cache_control` of a Messages request."""
    system = request.get("system") or []
    places = [
        *(request.get("tools") or []),
        *(system if isinstance(system, list) else []),
        *(block for message in request.get("messages", []) for block in blocks(message)),
    ]
    return [place["cache_control"] for place in places if place.get("cache_control")]
