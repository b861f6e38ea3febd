"""The record of what reached the upstreams, found by the nonces in each request."""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from compat_pipeline.wire.exchange import Exchange

MAX_EXCHANGES = 2000
"""The oldest exchanges are dropped beyond this; one takes about 30 kB, packed."""

_FASTEST = 1


@dataclass
class Entry:
    """One exchange as packed JSON, and whether its answer was `delivered` whole; None while that is open."""

    packed: bytes
    delivered: bool | None = None

    @classmethod
    def of(cls, exchange: Exchange) -> Entry:
        return cls(_packed(exchange))

    def rewrite(self, exchange: Exchange) -> None:
        """Put in what is known now; how its delivery ends stays as it is."""
        self.packed = _packed(exchange)

    @property
    def as_json(self) -> bytes:
        """The exchange; its last field is put in here, so that the end of an answer need not unpack it."""
        return zlib.decompress(self.packed)[:-1] + b',"delivered":' + json.dumps(self.delivered).encode() + b"}"


class Recorder:
    """Exchanges as packed JSON in order of arrival, at most `bound`, indexed under every nonce of their request."""

    def __init__(self, bound: int = MAX_EXCHANGES) -> None:
        self._bound = bound
        self._arrivals: deque[frozenset[str]] = deque()
        self._by_nonce: dict[str, deque[Entry]] = {}

    def add(self, exchange: Exchange, nonces: Iterable[str]) -> Entry:
        """Keep `exchange` under `nonces`; the entry takes how its delivery ends."""
        entry = Entry.of(exchange)
        marks = frozenset(nonces)
        self._arrivals.append(marks)
        for nonce in marks:
            self._by_nonce.setdefault(nonce, deque()).append(entry)
        while len(self._arrivals) > self._bound:
            self._forget(self._arrivals.popleft())
        return entry

    def json_of(self, nonce: str) -> bytes:
        """A JSON list of the exchanges whose request carried `nonce`, oldest first."""
        return b"[" + b",".join(entry.as_json for entry in self._by_nonce.get(nonce, ())) + b"]"

    def is_under_way(self, nonce: str) -> bool:
        """Whether an exchange whose request carried `nonce` has not ended."""
        return any(entry.delivered is None for entry in self._by_nonce.get(nonce, ()))

    def _forget(self, nonces: frozenset[str]) -> None:
        """The oldest exchange overall is the oldest under each of its nonces."""
        for nonce in nonces:
            self._by_nonce[nonce].popleft()
            if not self._by_nonce[nonce]:
                del self._by_nonce[nonce]


def _packed(exchange: Exchange) -> bytes:
    return zlib.compress(exchange.model_dump_json(exclude={"delivered"}).encode(), _FASTEST)
