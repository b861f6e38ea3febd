"""What an upstream can be armed to do to one conversation: refusals and faults, each as that provider words it."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from compat_pipeline.emulator.complaints import too_long_message
from compat_pipeline.emulator.contract import Answer, Call, ErrorKind, Refused, Reply, Transfer

_NAME = re.compile(r"(?P<behaviour>[a-z_]+?)(:(?P<seconds>\d+(\.\d+)?))?(?P<once>_once)?")


@dataclass(frozen=True)
class Behaviour:
    """What is done to a request.

    `kind` is the provider's error, with `message` in place of its usual words. `streams_only` leaves other requests
    alone; `in_stream` errs after HTTP 200. `seconds` is what the behaviour's name may set: how long it takes, or the
    advice of a 429. `shapes` is the call's `shapes_shown`. The other fields say how the reply travels (see Transfer).
    """

    description: str
    kind: ErrorKind | None = None
    message: Callable[[Call], str] | None = None
    streams_only: bool = False
    in_stream: bool = False
    seconds: float | None = None
    advises: bool = False
    slow: Literal["at_once", "midway"] | None = None
    cut: Literal["at_once", "midway", "short"] | None = None
    shapes: bool | None = None


BEHAVIOURS = {
    "refused_key": Behaviour("the credential is not accepted (Bedrock: 403, others: 401)", "authentication"),
    "prompt_too_long": Behaviour("400, the prompt does not fit the model", "invalid_request", too_long_message),
    "overloaded": Behaviour("the provider is overloaded (Anthropic: 529)", "overloaded"),
    "rate_limited": Behaviour("429 with retry-after", "rate_limited", seconds=1, advises=True),
    "rate_limited_unadvised": Behaviour("429 without retry-after", "rate_limited"),
    "no_credit": Behaviour("the account cannot pay (Anthropic: 400, others: 403)", "account"),
    "server_error": Behaviour("500", "server_error"),
    "broken_stream": Behaviour(
        "rule C17: a stream that ends with an error after HTTP 200", "server_error", streams_only=True, in_stream=True
    ),
    "slow": Behaviour("the first byte comes late", seconds=3, slow="at_once"),
    "stall": Behaviour("a stream pauses after its first content", streams_only=True, seconds=3, slow="midway"),
    "reset": Behaviour("the connection is reset before any byte", cut="at_once"),
    "reset_stream": Behaviour("the connection is reset in the middle of a stream", streams_only=True, cut="midway"),
    "truncated_stream": Behaviour("a stream just ends after its first events", streams_only=True, cut="short"),
    "shapes_shown": Behaviour("rules C1, C4: shapes that answers take now and then are in each", shapes=True),
    "shapes_hidden": Behaviour("rules C1, C4: shapes that answers take now and then are in none", shapes=False),
}
"""Each also exists as `NAME_once`: only the first request it applies to is treated so. Those with `seconds` take
another number after a colon: `slow:0.5`, `rate_limited:7_once`."""


class Armed:
    """Which nonce is armed with which of the `known` behaviours; beyond `bound` nonces the oldest is disarmed."""

    def __init__(self, known: Mapping[str, Behaviour] = BEHAVIOURS, *, bound: int = 1000) -> None:
        self.known = known
        self._bound = bound
        self._by_nonce: OrderedDict[str, tuple[Behaviour, bool]] = OrderedDict()

    def arm(self, nonce: str, name: str) -> None:
        """Treat requests with `nonce` in the way called `name`; raises KeyError for an unknown name."""
        self._by_nonce[nonce] = _named(name, self.known)
        if len(self._by_nonce) > self._bound:
            self._by_nonce.popitem(last=False)

    def behaviour_for(self, call: Call) -> Behaviour | None:
        """What to do to `call`; a `_once` is used up by it."""
        for nonce in call.nonces & self._by_nonce.keys():
            behaviour, once = self._by_nonce[nonce]
            if behaviour.streams_only and not call.streamed:
                continue
            if once:
                del self._by_nonce[nonce]
            return behaviour
        return None


def _named(name: str, known: Mapping[str, Behaviour]) -> tuple[Behaviour, bool]:
    """The behaviour of that name, and whether it holds once; raises KeyError."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise KeyError(name)
    behaviour = known[parts["behaviour"]]
    if parts["seconds"] is not None:
        if behaviour.seconds is None:
            raise KeyError(name)
        behaviour = replace(behaviour, seconds=float(parts["seconds"]))
    return behaviour, parts["once"] is not None


def shaped(call: Call, behaviour: Behaviour | None) -> Call:
    """The call whose answer takes its shapes as the behaviour says."""
    return replace(call, shapes_shown=behaviour.shapes) if behaviour else call


def refuse(behaviour: Behaviour | None, call: Call) -> None:
    """Raise Refused if the behaviour refuses outright. Nobody's request was at fault: no rule is named."""
    if behaviour and behaviour.kind and not behaviour.in_stream:
        raise _refusal(behaviour, behaviour.kind, call)


def break_off(answer: Answer, behaviour: Behaviour | None, call: Call) -> Answer:
    """The answer with its stream broken off, if the behaviour says so."""
    if behaviour and behaviour.kind and behaviour.in_stream:
        return replace(answer, broken_off=_refusal(behaviour, behaviour.kind, call))
    return answer


def carry(reply: Reply, behaviour: Behaviour | None) -> Reply:
    """The reply as it travels under the behaviour: late, with a pause, or cut by a reset."""
    return replace(reply, transfer=transfer_under(behaviour))


def transfer_under(behaviour: Behaviour | None) -> Transfer:
    """How a reply travels under the behaviour."""
    if behaviour is None:
        return Transfer()
    seconds = behaviour.seconds or 0.0
    return Transfer(
        delay_s=seconds if behaviour.slow == "at_once" else 0.0,
        stall_s=seconds if behaviour.slow == "midway" else 0.0,
        cut=behaviour.cut,
    )


def _refusal(behaviour: Behaviour, kind: ErrorKind, call: Call) -> Refused:
    message = behaviour.message(call) if behaviour.message else ""
    retry_after_s = round(behaviour.seconds) if behaviour.advises and behaviour.seconds is not None else None
    return Refused(kind, message, retry_after_s=retry_after_s)
