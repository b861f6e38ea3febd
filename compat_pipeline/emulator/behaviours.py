"""What an upstream can be armed to do to one conversation: refusals and faults, each as that provider words it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from compat_pipeline.emulator.contract import Answer, Call, ErrorKind, Refused

_ONCE = "_once"


@dataclass(frozen=True)
class Behaviour:
    """`kind` is the provider's error. `streams_only` leaves other requests alone; `in_stream` errs after HTTP 200."""

    description: str
    kind: ErrorKind
    streams_only: bool = False
    in_stream: bool = False


BEHAVIOURS = {
    "refuse_stream": Behaviour("a streaming request is answered 404, a non-streaming one served", "not_found", True),
    "overloaded": Behaviour("the provider is overloaded (Anthropic: 529)", "overloaded"),
    "rate_limited": Behaviour("429 with retry-after", "rate_limited"),
    "no_credit": Behaviour("the account cannot pay (Anthropic: 400, others: 403)", "account"),
    "server_error": Behaviour("500", "server_error"),
    "broken_stream": Behaviour("rule C17: a stream that ends with an error after HTTP 200", "server_error", True, True),
}
"""Each also exists as `NAME_once`: only the first request it applies to is treated so."""


class Armed:
    """Which nonce is armed with what; at most `bound` nonces, the oldest is disarmed first."""

    def __init__(self, bound: int = 1000) -> None:
        self._bound = bound
        self._by_nonce: OrderedDict[str, str] = OrderedDict()

    def arm(self, nonce: str, name: str) -> None:
        """Treat requests with `nonce` in the way called `name`; raises KeyError for an unknown name."""
        if name.removesuffix(_ONCE) not in BEHAVIOURS:
            raise KeyError(name)
        self._by_nonce[nonce] = name
        if len(self._by_nonce) > self._bound:
            self._by_nonce.popitem(last=False)

    def behaviour_for(self, call: Call) -> Behaviour | None:
        """What to do to `call`; a `_once` is used up by it."""
        for nonce in call.nonces & self._by_nonce.keys():
            name = self._by_nonce[nonce]
            behaviour = BEHAVIOURS[name.removesuffix(_ONCE)]
            if behaviour.streams_only and not call.streamed:
                continue
            if name.endswith(_ONCE):
                del self._by_nonce[nonce]
            return behaviour
        return None


def refuse(behaviour: Behaviour | None) -> None:
    """Raise Refused if the behaviour refuses outright. Nobody's request was at fault: no rule is named."""
    if behaviour and not behaviour.in_stream:
        raise Refused(behaviour.kind)


def break_off(answer: Answer, behaviour: Behaviour | None) -> Answer:
    """The answer with its stream broken off, if the behaviour says so."""
    return replace(answer, broken_off=Refused(behaviour.kind)) if behaviour and behaviour.in_stream else answer
