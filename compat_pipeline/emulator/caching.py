"""Prompt caching: which prefix of a request is known, which becomes known, and the usage that follows."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from compat_pipeline.emulator.contract import Call
from compat_pipeline.emulator.tokens import tokens_of_block

_TTL_S = {"5m": 300.0, "1h": 3600.0}
# What the provider adds itself (Anthropic, token counting), never cached; as many that no guess hits the count [J].
_FRAME_TOKENS = 50
_LOOKBACK_BLOCKS = 20  # Anthropic, prompt caching: a breakpoint finds entries at most 20 blocks before it


@dataclass(frozen=True)
class InputUsage:
    """Input tokens by what they cost. `total` is the size of the whole request."""

    fresh: int
    read: int
    created_5m: int
    created_1h: int

    @property
    def created(self) -> int:
        return self.created_5m + self.created_1h

    @property
    def total(self) -> int:
        return self.fresh + self.read + self.created


@dataclass(frozen=True)
class _Prefix:
    """Everything up to and including one block: its digest, its size, and the ttl if a breakpoint sits here."""

    digest: bytes
    tokens: int
    ttl: str | None


class PromptCache:
    """Cached prefixes per provider and model, at most `bound`, least recently used dropped first.

    Used from one event loop only: a call is looked up and, once answered, stored without an await in between.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, bound: int = 10_000) -> None:
        self._clock = clock
        self._bound = bound
        self._entries: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def use(self, call: Call) -> InputUsage:
        """The usage of an answered call; from now on its breakpoints are known, and those it read are fresh again."""
        prefixes = list(_prefixes(call))
        total = prefixes[-1].tokens if prefixes else 0
        marks = [
            index
            for index, prefix in enumerate(prefixes)
            if prefix.ttl and prefix.tokens >= call.facts.min_cached_tokens
        ]
        hit = max((found for mark in marks if (found := self._find(prefixes, mark)) is not None), default=None)
        read = reached = prefixes[hit].tokens if hit is not None else 0
        created = dict.fromkeys(_TTL_S, 0)
        for mark in marks:
            if hit is None or mark > hit:
                prefix = prefixes[mark]
                created[str(prefix.ttl)] += prefix.tokens - reached
                reached = prefix.tokens
                self._store(prefix.digest, str(prefix.ttl))
        return InputUsage(total - reached + _FRAME_TOKENS, read, created["5m"], created["1h"])

    def _find(self, prefixes: list[_Prefix], mark: int) -> int | None:
        now = self._clock()
        for index in range(mark, max(-1, mark - _LOOKBACK_BLOCKS), -1):
            entry = self._entries.get(prefixes[index].digest)
            if entry is not None and entry[0] > now:
                self._store(prefixes[index].digest, entry[1])
                return index
        return None

    def _store(self, digest: bytes, ttl: str) -> None:
        self._entries[digest] = (self._clock() + _TTL_S[ttl], ttl)
        self._entries.move_to_end(digest)
        while len(self._entries) > self._bound:
            self._entries.popitem(last=False)


def count_tokens(call: Call) -> int:
    """The size of the whole request: the same estimate as its usage."""
    return _FRAME_TOKENS + sum(tokens_of_block(block) for block in call.cacheable_blocks())


def _prefixes(call: Call) -> Iterator[_Prefix]:
    digest = hashlib.blake2b(f"{call.provider}\0{call.model}".encode(), digest_size=16).digest()
    tokens = 0
    for block in call.cacheable_blocks():
        mark = block.get("cache_control")
        bare = {name: value for name, value in block.items() if name != "cache_control"}
        content = json.dumps(bare, sort_keys=True, ensure_ascii=False).encode()
        digest = hashlib.blake2b(digest + content, digest_size=16).digest()
        tokens += tokens_of_block(block)
        yield _Prefix(digest, tokens, mark.get("ttl") or "5m" if isinstance(mark, dict) else None)
