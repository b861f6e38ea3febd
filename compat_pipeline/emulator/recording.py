"""The record of what reached the upstreams, found by the nonces in each request."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable

from compat_pipeline.wire.exchange import Exchange

MAX_EXCHANGES = 2000
"""The oldest exchanges are dropped beyond this; one takes about 30 kB, packed."""

_FASTEST = 1


class Recorder:
    """Exchanges as packed JSON in order of arrival, at most `bound`, indexed under every nonce of their request."""

    def __init__(self, bound: int = MAX_EXCHANGES) -> None:
        self._bound = bound
        self._arrivals: deque[tuple[bytes, frozenset[str]]] = deque()
        self._by_nonce: dict[str, deque[bytes]] = {}

    def add(self, exchange: Exchange, nonces: Iterable[str]) -> None:
        """Keep `exchange` under `nonces`."""
        packed = zlib.compress(exchange.model_dump_json().encode(), _FASTEST)
        marks = frozenset(nonces)
        self._arrivals.append((packed, marks))
        for nonce in marks:
            self._by_nonce.setdefault(nonce, deque()).append(packed)
        while len(self._arrivals) > self._bound:
            self._forget(self._arrivals.popleft()[1])

    def json_of(self, nonce: str) -> bytes:
        """A JSON list of the exchanges whose request carried `nonce`, oldest first."""
        return b"[" + b",".join(zlib.decompress(packed) for packed in self._by_nonce.get(nonce, ())) + b"]"

    def _forget(self, nonces: frozenset[str]) -> None:
        """The oldest exchange overall is the oldest under each of its nonces."""
        for nonce in nonces:
            self._by_nonce[nonce].popleft()
            if not self._by_nonce[nonce]:
                del self._by_nonce[nonce]
