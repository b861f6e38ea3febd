"""Prompt caching: what is written, what is read, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from compat_pipeline.emulator.caching import InputUsage, PromptCache, count_tokens
from compat_pipeline.emulator.tokens import CHARACTERS_PER_TOKEN
from compat_pipeline_tests.emulator.emulated import BASH, HAIKU, OPUS, Emulated, Json, ask, call_of, new_nonce

FRAME = 50
SONNET_MIN = 1024


class Clock:
    """Time in seconds that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> PromptCache:
    return PromptCache(clock)


def block(tokens: int, fill: str = "a", ttl: str | None = None) -> Json:
    mark = {"5m": {"type": "ephemeral"}, "1h": {"type": "ephemeral", "ttl": "1h"}}
    text = fill * CHARACTERS_PER_TOKEN * tokens
    return {"type": "text", "text": text, **({"cache_control": mark[ttl]} if ttl else {})}


def use(cache: PromptCache, *system: Json, message: str = "Hi", **changes: Any) -> InputUsage:
    return cache.use(call_of(ask(message, system=list(system)), **changes))


def test_the_first_request_writes_and_the_second_reads(cache: PromptCache) -> None:
    assert use(cache, block(2000, ttl="5m")) == InputUsage(fresh=1 + FRAME, read=0, created_5m=2000, created_1h=0)
    assert use(cache, block(2000, ttl="5m")) == InputUsage(fresh=1 + FRAME, read=2000, created_5m=0, created_1h=0)


def test_the_rest_up_to_the_last_breakpoint_is_written(cache: PromptCache) -> None:
    use(cache, block(2000, ttl="5m"))
    seen = use(cache, block(2000, ttl="5m"), block(500, "b", "5m"), block(70, "c"))
    assert (seen.read, seen.created_5m, seen.fresh) == (2000, 500, 70 + 1 + FRAME)


def test_hours_and_minutes_are_counted_apart(cache: PromptCache) -> None:
    seen = use(cache, block(2000, ttl="1h"), block(300, "b", "5m"))
    assert (seen.created_1h, seen.created_5m, seen.created) == (2000, 300, 2300)


def test_nothing_is_cached_without_a_breakpoint_or_below_the_minimum(cache: PromptCache) -> None:
    assert use(cache, block(2000)).created == 0
    assert use(cache, block(SONNET_MIN - 1, ttl="5m")).created == 0
    assert use(cache, block(SONNET_MIN, "b", "5m")).created == SONNET_MIN
    assert use(cache, block(SONNET_MIN, "c", "5m"), model=HAIKU).created == 0


def test_a_changed_prefix_is_not_read(cache: PromptCache) -> None:
    use(cache, block(2000, ttl="5m"))
    assert use(cache, block(1999, ttl="5m")).read == 0
    assert use(cache, block(10, "b"), block(2000, ttl="5m")).read == 0


def test_another_model_or_provider_has_another_cache(cache: PromptCache) -> None:
    use(cache, block(5000, ttl="5m"))
    assert use(cache, block(5000, ttl="5m"), model=OPUS).read == 0
    assert cache.use(call_of(ask("Hi", system=[block(5000, ttl="5m")]), "azure")).read == 0


def test_a_moved_breakpoint_still_finds_what_was_written_before_it(cache: PromptCache) -> None:
    use(cache, block(2000, ttl="5m"))
    assert use(cache, block(2000), *[block(1, "b")] * 18, block(10, "c", "5m")).read == 2000
    assert use(cache, block(2000), *[block(1, "d")] * 25, block(10, "e", "5m")).read == 0


def test_an_entry_lives_five_minutes_from_its_last_use(cache: PromptCache, clock: Clock) -> None:
    use(cache, block(2000, ttl="5m"))
    for _ in range(3):
        clock.now += 299
        assert use(cache, block(2000, ttl="5m")).read == 2000
    clock.now += 301
    assert use(cache, block(2000, ttl="5m")).read == 0


def test_an_hour_entry_lives_an_hour(cache: PromptCache, clock: Clock) -> None:
    use(cache, block(2000, ttl="1h"))
    clock.now += 3599
    assert use(cache, block(2000, ttl="1h")).read == 2000
    clock.now += 3601
    assert use(cache, block(2000, ttl="1h")).read == 0


def test_the_cache_is_bounded() -> None:
    cache = PromptCache(bound=2)
    for fill in "abc":
        use(cache, block(2000, fill, "5m"))
    assert use(cache, block(2000, "c", "5m")).read == 2000
    assert use(cache, block(2000, "a", "5m")).read == 0


def test_tools_come_before_the_system_and_count_too(cache: PromptCache) -> None:
    tool = {**BASH, "description": "x" * 8000, "cache_control": {"type": "ephemeral"}}
    first = cache.use(call_of(ask("Hi", tools=[tool], system="one")))
    assert first.created > 2000
    assert cache.use(call_of(ask("Hi", tools=[tool], system="two"))).read == first.created


def test_usage_adds_up_to_count_tokens(cache: PromptCache) -> None:
    call = call_of(ask("Hi", tools=[BASH], system=[block(2000, ttl="5m")]))
    assert cache.use(call).total == cache.use(call).total == count_tokens(call)


def test_a_refused_request_writes_nothing(emulated: Emulated) -> None:
    system = [{**block(5000, ttl="5m"), "text": new_nonce() * 2000}]
    refused = ask("Hi", system=system, messages=[{"role": "user", "content": ""}])
    assert emulated.post("anthropic", refused, HAIKU).status_code == 400
    usage = emulated.post("anthropic", ask("Hi", system=system), HAIKU).json()["usage"]
    assert usage["cache_read_input_tokens"] == 0
    assert usage["cache_creation_input_tokens"] == usage["cache_creation"]["ephemeral_5m_input_tokens"] > 0


def test_converses_cache_points_count_like_cache_control(emulated: Emulated) -> None:
    nonce = new_nonce()
    system = [{"text": nonce * 1000}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    body = {"system": system, "messages": [{"role": "user", "content": [{"text": f"Hi {nonce}"}]}]}
    first = emulated.post("bedrock_converse", body).json()["usage"]
    second = emulated.post("bedrock_converse", body).json()["usage"]
    assert first["cacheDetails"] == [{"ttl": "1h", "inputTokens": first["cacheWriteInputTokens"]}]
    assert second["cacheReadInputTokens"] == first["cacheWriteInputTokens"] > 0
    exchange = emulated.control.exchanges(nonce)[0]
    assert exchange.request["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
