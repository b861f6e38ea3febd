"""A long answer arrives whole, in order, in several deltas, as it is written, from one streaming request.

Source: Anthropic's streaming documentation (event order); LiteLLM bugs #29441 and #33224 (a delta that does not fit
its block, a silent second request).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compat_pipeline.domain.observation import Fail, Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.ways import by_every_authentication
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.grammar import check_message_events

_NUMBERS = 100
_LEAST_DELTAS = 3
# A machine under load can hold back a short pause; what holds back the long one too is the proxy.
_PAUSES_S = (0.4, 4.0)


def probe(run: CellRun) -> Outcome:
    """A streamed answer by every authentication of the route."""
    return by_every_authentication(run, _stream)


def _stream(run: CellRun) -> Outcome:
    """A stream in which the upstream pauses after its first pieces arrives with that pause after its first pieces."""
    for pause_s in _PAUSES_S:
        client = _read(run, pause_s)
        before, in_all = _deltas(client.events[: client.paused_after]), _deltas(client.events)
        if client.paused_s >= pause_s / 2 and 0 < before <= in_all / 2:
            return run.passed()
    story = f"the upstream paused for {pause_s} s after its first pieces; the longest wait in what the CLI got was"
    place = f"{client.paused_s:.2f} s, after {before} of {in_all} deltas"
    return Fail(error=f"{story} {place}: it was held back until it was whole")


def _deltas(events: Sequence[Mapping[str, Any]]) -> int:
    """How many pieces of content there are: of the model's thinking, too, which comes first."""
    return sum(event["type"] == "content_block_delta" for event in events)


def _read(run: CellRun, pause_s: float) -> ClientExchange:
    """Ask for a code and numbers; read the stream as the CLI passed it on."""
    nonce = run.nonce()
    run.arm(nonce, f"stall:{pause_s}")
    prompt = f"Write the code {nonce} and then the numbers from 1 to {_NUMBERS}, all separated by single spaces."
    talk = run.converse(nonce, prompt, include_partial_messages=True)

    expected = " ".join([nonce, *map(str, range(1, _NUMBERS + 1))])
    talk.prove_answer(expected)
    broken_rules = check_message_events(talk.result.stream_events)
    prove(not broken_rules, f"the CLI's own event stream breaks its grammar: {'; '.join(broken_rules)}", "client")
    deltas = [
        event["delta"]["text"]
        for event in talk.result.stream_events
        if event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta"
    ]
    prove("".join(deltas) == expected, f"the text deltas add up to '{''.join(deltas)}'")
    prove(
        len([delta for delta in deltas if delta]) >= _LEAST_DELTAS,
        f"a long answer came in {len(deltas)} piece(s): it was buffered, not streamed",
    )
    return talk.client[0]
