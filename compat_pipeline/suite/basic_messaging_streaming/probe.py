"""A long answer arrives whole, in order, in several deltas, as it is written, from one streaming request.

Source: Anthropic's streaming documentation (event order); LiteLLM bugs #29441 and #33224 (a delta that does not fit
its block, a silent second request).
"""

from __future__ import annotations

from compat_pipeline.domain.observation import Fail, Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.crossing import said
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING
from compat_pipeline.suite.ways import by_every_authentication
from compat_pipeline.wire.client_exchange import message_of
from compat_pipeline.wire.grammar import check_message_events

_NUMBERS = 100
_LEAST_DELTAS = 3
# A machine under load can hold back a short pause; what holds back the long one too is the proxy.
_PAUSES_S = (0.4, 4.0)


def probe(run: CellRun) -> Outcome:
    """A streamed answer by every authentication of the route."""
    return by_every_authentication(run, _stream)


def _stream(run: CellRun) -> Outcome:
    """A stream in which the upstream pauses between two words arrives with that pause between two words."""
    for pause_s in _PAUSES_S:
        paused_s, before, whole = _read(run, pause_s)
        if paused_s >= pause_s / 2 and 0 < len(before) <= len(whole) / 2:
            return run.passed()
    story = f"the upstream paused for {pause_s} s after its first words; the longest wait in what the CLI got was"
    words = f"{len(before)} of {len(whole)} characters"
    return Fail(error=f"{story} {paused_s:.2f} s, after {words}: it was held back until it was whole")


def _read(run: CellRun, pause_s: float) -> tuple[float, str, str]:
    """Ask for a code and numbers, read the stream as the CLI passed it on; how long it paused, after which words."""
    nonce = run.nonce()
    run.arm(nonce, f"stall:{pause_s}")
    prompt = f"Write the code {nonce} and then the numbers from 1 to {_NUMBERS}, all separated by single spaces."
    talk = run.converse(nonce, prompt, include_partial_messages=True, extra_env=WITHOUT_THINKING)  # words come first

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
    (client,) = talk.client
    return client.paused_s, said(message_of(client.events[: client.paused_after]) or {}), expected
