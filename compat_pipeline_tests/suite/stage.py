"""A stage for probes: a CLI, a proxy and an upstream that did what a test says, as the suite reads them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from compat_pipeline.claude.driver import ClaudeCall
from compat_pipeline.claude.stream import ClaudeResult, Usage, read_stream
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Outcome
from compat_pipeline.ground.child import ChildRun
from compat_pipeline.suite import cell_run
from compat_pipeline.suite.cell_run import CellRun, Judged
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.exchange import NONCE_PATTERN, Exchange, UpstreamControl

NONCE = "nonce-0123456789ab"
PROMPT = f"Reply with exactly this code and nothing else: {NONCE}"
ROUTE = "anthropic/claude-haiku-4-5"
CELL = Cell("made_up", "anthropic", "claude-haiku-4-5")
STREAM = (
    {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "nonce-0123456789ab"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 11}},
    {"type": "message_stop"},
)
REQUEST = {"system": "Be good.", "messages": [{"role": "user", "content": PROMPT}]}
USAGE = {"input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 7, "output_tokens": 11}


def exchange(**changes: Any) -> Exchange:
    """A sound exchange, but for `changes`."""
    sound: dict[str, Any] = {
        "provider": "anthropic",
        "operation": "messages",
        "model": "claude-haiku-4-5",
        "streamed": True,
        "headers": {},
        "request": REQUEST,
        "status": 200,
        "reply": {"content": [{"type": "text", "text": NONCE}], "stop_reason": "end_turn", "usage": USAGE},
        "started_at": time.time(),
        "finished_at": time.time(),
    }
    return Exchange(**(sound | changes))


def asked(**changes: Any) -> ClientExchange:
    """A sound exchange between CLI and proxy, but for `changes`."""
    sound: dict[str, Any] = {
        "method": "POST",
        "path": "/v1/messages?beta=true",
        "request_headers": {},
        "request": {"stream": True, **REQUEST},
        "status": 200,
        "response_headers": {},
        "events": STREAM,
        "body": None,
        "broken": None,
        "started_at": 0.0,
        "first_byte_at": 0.1,
        "finished_at": 0.2,
    }
    return ClientExchange(**(sound | changes))


def result(**changes: Any) -> ClaudeResult:
    """A sound result, but for `changes`."""
    nothing = ChildRun((), "", exit_code=0, timed_out=False, started_at=0.0, duration_s=0.1, cpu_s=0.1)
    sound = replace(read_stream(nothing), text=NONCE, usage=Usage(3, 11, 7, 5), error=None)
    return replace(sound, **changes)


class Wire(UpstreamControl):
    """What the upstream has on record; every call leaves the same exchanges on it."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self._by_call = exchanges
        self._record: list[Exchange] = []

    def exchanges(self, nonce: str) -> list[Exchange]:  # noqa: ARG002
        self._record += self._by_call
        return list(self._record)

    def arm(self, nonce: str, behaviour: str) -> None:
        pass


Side = tuple[ClaudeResult, Sequence[ClientExchange], Sequence[Exchange]]
"""One call from every side: what the CLI told, what passed between it and the proxy, what the upstream saw."""


class Record(UpstreamControl):
    """What the upstream has on record, by nonce."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Exchange]] = {}

    def exchanges(self, nonce: str) -> list[Exchange]:
        return list(self.kept.get(nonce, []))

    def arm(self, nonce: str, behaviour: str) -> None:
        pass


class Stage:
    """A conversation that went as told: `told` is what the CLI said, `seen` what the upstream has on record."""

    def __init__(self, settings: SuiteSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        self._settings, self._monkeypatch = settings, monkeypatch
        self.pauses: list[float] = []

    def run(self, told: ClaudeResult, *seen: Exchange, client: Sequence[ClientExchange] = ()) -> CellRun:
        @contextmanager
        def recording(*_: object, **__: object) -> Iterator[SimpleNamespace]:
            yield SimpleNamespace(url="http://recorder", exchanges=lambda: list(client) or [asked()])

        self._monkeypatch.setattr(cell_run, "run_claude", lambda *_, **__: told)
        self._monkeypatch.setattr(cell_run, "recording", recording)
        self._monkeypatch.setattr("compat_pipeline.suite.cell_run.time.sleep", self.pauses.append)
        return CellRun(CELL, ROUTE, self._settings, Wire(list(seen)))

    def plays(self, play: Callable[[ClaudeCall], Side]) -> CellRun:
        """A run each of whose calls goes as `play` says; it is on the upstream's record under its first nonce."""
        run, record, passed = self.run(result()), Record(), list[ClientExchange]()

        def run_claude(_cli: object, _proxy: object, call: ClaudeCall, _sandbox: object) -> ClaudeResult:
            told, passed[:], seen = play(call)
            record.kept.setdefault(re.findall(NONCE_PATTERN, f"{call.prompt} {call.messages}")[0], []).extend(seen)
            return told

        recorder = SimpleNamespace(url="http://recorder", exchanges=lambda: list(passed))
        self._monkeypatch.setattr(cell_run, "run_claude", run_claude)
        self._monkeypatch.setattr(cell_run, "recording", lambda *_, **__: nullcontext(recorder))
        run.upstream = record
        return run

    def outcome(self, told: ClaudeResult, *seen: Exchange, client: Sequence[ClientExchange] = ()) -> Outcome:
        """How a conversation of one turn with the expected answer NONCE is judged."""
        run = self.run(told, *seen, client=client)
        try:
            run.converse(NONCE, PROMPT).prove_answer(NONCE)
        except Judged as judged:
            return judged.outcome
        return run.passed()
