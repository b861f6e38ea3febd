"""Whether an upstream's answer was read to its end is on record."""

from __future__ import annotations

import time

import httpx

from compat_pipeline_tests.emulator.emulated import Emulated, ask, exactly, new_nonce

LIMIT_S = 60.0


def delivered(emulated: Emulated, nonce: str) -> bool | None:
    """How the one exchange of `nonce` ended, once it has."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        (exchange,) = emulated.control.exchanges(nonce)
        if exchange.delivered is not None:
            return exchange.delivered
        time.sleep(0.01)
    return None


def test_an_answer_that_was_read_whole_is_delivered(emulated: Emulated) -> None:
    for stream in (False, True):
        nonce = new_nonce()
        emulated.post("anthropic", ask(exactly(nonce)), stream=stream).raise_for_status()
        assert delivered(emulated, nonce) is True


def test_a_stream_whose_reader_hangs_up_is_not(emulated: Emulated) -> None:
    nonce = new_nonce()
    emulated.control.arm(nonce, "stall:60")
    body = {"model": "claude-sonnet-4-6", "stream": True, **ask(exactly(nonce))}
    address, headers = emulated.url("anthropic", stream=True), emulated.headers("anthropic")
    with httpx.stream("POST", address, json=body, headers=headers, trust_env=False) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        assert [one.delivered for one in emulated.control.exchanges(nonce)] == [None]
    assert delivered(emulated, nonce) is False
