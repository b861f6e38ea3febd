"""Faults of counting: the CLI is told another number of tokens, or none; the proxy loses its own count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from compat_pipeline.wire.client_exchange import Json
from compat_pipeline.wire.faults.answering import in_first_usage, in_usage
from compat_pipeline.wire.faults.asking import in_body, without
from compat_pipeline.wire.faults.fault import Answer, Asked, Fault
from compat_pipeline.wire.faults.rows import (
    ASKED_BY_CLI,
    CACHING,
    TALKS,
    rows,
)

_CACHE_COUNTS = ("cache_creation_input_tokens", "cache_read_input_tokens")


def _no_cache_counts(usage: Json) -> Json:
    return {name: value for name, value in usage.items() if name not in (*_CACHE_COUNTS, "cache_creation")}


def _nothing_counted(usage: Json) -> Json:
    def zeroed(value: object) -> object:
        return 0 if isinstance(value, int) else value

    split = {name: dict.fromkeys(value, 0) for name, value in usage.items() if name == "cache_creation" and value}
    return {**{name: zeroed(value) for name, value in usage.items()}, **split}


def _at_full_price(name: str) -> Callable[[Json], Json]:
    """The tokens of one cache count are told as fresh input."""

    def change(usage: Json) -> Json:
        tokens = usage.get(name) or 0
        if not tokens:
            return usage
        changed = {**usage, name: 0}
        if "input_tokens" in usage:
            changed["input_tokens"] = (usage["input_tokens"] or 0) + tokens
        if name == _CACHE_COUNTS[0] and usage.get("cache_creation"):
            changed["cache_creation"] = dict.fromkeys(usage["cache_creation"], 0)
        return changed

    return change


def _counted_twice(usage: Json) -> Json:
    cached = sum(usage.get(name) or 0 for name in _CACHE_COUNTS)
    return {**usage, "input_tokens": (usage["input_tokens"] or 0) + cached} if "input_tokens" in usage else usage


def _hour_as_minutes(usage: Json) -> Json:
    split = usage.get("cache_creation") or {}
    hour = split.get("ephemeral_1h_input_tokens") or 0
    if not hour:
        return usage
    minutes = (split.get("ephemeral_5m_input_tokens") or 0) + hour
    return {
        **usage,
        "cache_creation": {**split, "ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": 0},
    }


def _without_split(usage: Json) -> Json:
    hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens")
    return {name: value for name, value in usage.items() if name != "cache_creation"} if hour else usage


def _without_call_id(_: Asked, answer: Answer) -> Answer:
    kept = {name: value for name, value in answer.headers.items() if name != "x-litellm-call-id"}
    return answer if kept == answer.headers else replace(answer, headers=kept)


def _unrecorded(body: Json) -> Json:
    """With LiteLLM's own switch, which stays behind in LiteLLM."""
    return {**body, "no-log": True}


COUNT_FAULTS = (
    Fault(
        "usage_zeroed",
        "nothing is counted",
        "LiteLLM: zero usage on streams",
        TALKS,
        on_answer=in_usage(_nothing_counted),
    ),
    Fault(
        "cached_tokens_counted_twice",
        "tokens from the cache are counted as fresh input as well",
        "Anthropic prompt caching: input_tokens is what no cache breakpoint covers",
        ASKED_BY_CLI,
        on_answer=in_usage(_counted_twice),
    ),
    Fault(
        "cache_reads_zeroed",
        "what was read from the cache is told as fresh input",
        "LiteLLM #26625 #19123: 0 cache reads at full price",
        CACHING,
        on_answer=in_usage(_at_full_price("cache_read_input_tokens")),
    ),
    Fault(
        "cache_creation_zeroed",
        "what was written to the cache is told as fresh input",
        "LiteLLM #32730 #41424: what is written to the cache is not told",
        CACHING,
        on_answer=in_usage(_at_full_price("cache_creation_input_tokens")),
    ),
    Fault(
        "cache_counts_missing_at_start",
        "a stream begins without the cache counts and tells them at its end only",
        "LiteLLM #31069: message_start lacks the cache counts",
        CACHING,
        on_answer=in_first_usage(_no_cache_counts),
    ),
    Fault(
        "cache_hour_counted_as_minutes",
        "a cache of an hour is counted as one of five minutes",
        "Anthropic prompt caching: cache_creation.ephemeral_1h_input_tokens",
        rows("prompt_caching_1h"),
        on_answer=in_usage(_hour_as_minutes),
    ),
    Fault(
        "cache_split_dropped",
        "how long what was cached will last is not told",
        "LiteLLM on Converse: the 1h breakdown lost on streaming",
        rows("prompt_caching_1h"),
        on_answer=in_usage(_without_split),
    ),
    Fault(
        "call_unrecorded",
        "the proxy answers and keeps no record, so nobody pays",
        "LiteLLM #28943: no spend log of a streamed /v1/messages",
        rows("attribution"),
        on_request=in_body(_unrecorded),
    ),
    Fault(
        "call_id_dropped",
        "nothing leads from an answer to the proxy's record of it",
        "LiteLLM: x-litellm-call-id, the id of the call in its logs",
        rows("attribution"),
        on_answer=_without_call_id,
    ),
    Fault(
        "count_without_tools",
        "tokens are counted as if there were no tools",
        "LiteLLM #27632 #26436: tools ignored by count_tokens",
        rows("count_tokens"),
        on_request=without("tools", operation="count_tokens"),
    ),
)
