"""What a wire fault is: pure changes to what the CLI asks and to what the proxy answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from compat_pipeline.domain.cell import AT_ONCE
from compat_pipeline.wire.client_exchange import HUNG_UP, ClientExchange, Json, Operation

HeldBack = Literal["all", "words"]


@dataclass(frozen=True)
class Asked:
    """A request of the CLI; header names are in lower case."""

    operation: Operation
    headers: Mapping[str, str]
    body: Json

    @property
    def streamed(self) -> bool:
        return self.body.get("stream") is True


@dataclass(frozen=True)
class Answer:
    """An answer of the proxy: server-sent events, or a JSON body."""

    status: int
    headers: Mapping[str, str]
    events: tuple[Json, ...] = ()
    body: Json | None = None


def _pass_on(asked: Asked) -> Asked | Answer:
    return asked


def _pass_back(_: Asked, answer: Answer) -> Answer:
    return answer


@dataclass(frozen=True)
class Fault:
    """One way to break the wire between the recorder and the proxy, as a real bug did.

    `imitates` is that bug or the documented rule it breaks; `rows` are the features it must turn red on every
    provider, and no others. `on_request` gives another request or answers in the proxy's place; `on_answer` gives
    another answer. Both return the very object they were given where they change nothing. `sends` is how often the
    proxy gets each message; `held_back` delivers a stream in one piece at its end, all of it or all but the event that
    begins it; `deaf_to_hang_up` lets the proxy finish an answer nobody waits for. `diverts` are features of other rows
    in which the CLI or the model goes on in another way under it, so that what else is broken there shows in another
    way, too.
    """

    name: str
    description: str
    imitates: str
    rows: frozenset[str]
    on_request: Callable[[Asked], Asked | Answer] = _pass_on
    on_answer: Callable[[Asked, Answer], Answer] = _pass_back
    sends: int = 1
    held_back: HeldBack | None = None
    deaf_to_hang_up: bool = False
    diverts: frozenset[str] = frozenset()

    @property
    def changes_answers(self) -> bool:
        """Whether an answer must be whole before it can be passed on."""
        return self.on_answer is not _pass_back

    def touches(self, exchanges: Sequence[ClientExchange]) -> bool:
        """Whether the fault would have changed any of a cell's exchanges, recorded on a sound wire.

        A cell none of whose exchanges is touched cannot see the fault: it need not be run to know that. Nor need one
        that hangs up on an answer, if the fault keeps answers until they are whole: nothing is left to interrupt.
        """
        if (self.changes_answers or self.held_back) and any(one.broken == HUNG_UP for one in exchanges):
            return False
        return any(self._changes(*_sides(exchange)) for exchange in exchanges)

    def shows_beside(self, other: Fault, exchanges: Sequence[ClientExchange]) -> bool:
        """Whether it changes each exchange that it touches also on a wire on which `other` has been before."""
        if self.held_back and other.held_back:
            return False
        for exchange in exchanges:
            asked, answer = _sides(exchange)
            left = other.on_request(asked)
            if self._changes(asked, answer) and (
                isinstance(left, Answer) or not self._changes(left, other.on_answer(asked, answer))
            ):
                return False
        return True

    @classmethod
    def at_once(cls, faults: Sequence[Fault]) -> Fault:
        """All of them on one wire, each on what the one before leaves."""
        answering = [fault for fault in faults if fault.changes_answers]

        def on_request(asked: Asked) -> Asked | Answer:
            for fault in faults:
                changed = fault.on_request(asked)
                if isinstance(changed, Answer):
                    return changed
                asked = changed
            return asked

        def on_answer(asked: Asked, answer: Answer) -> Answer:
            for fault in answering:
                answer = fault.on_answer(asked, answer)
            return answer

        return cls(
            name=AT_ONCE.join(fault.name for fault in faults),
            description="; ".join(fault.description for fault in faults),
            imitates="; ".join(fault.imitates for fault in faults),
            rows=frozenset().union(*(fault.rows for fault in faults)),
            on_request=on_request,
            on_answer=on_answer if answering else _pass_back,
            sends=max(fault.sends for fault in faults),
            held_back=next((fault.held_back for fault in faults if fault.held_back), None),
            deaf_to_hang_up=any(fault.deaf_to_hang_up for fault in faults),
            diverts=frozenset().union(*(fault.diverts for fault in faults)),
        )

    def _changes(self, asked: Asked, answer: Answer) -> bool:
        if self.sends > 1 or self.held_back or self.deaf_to_hang_up:
            return asked.operation == "messages"
        return self.on_request(asked) is not asked or self.on_answer(asked, answer) is not answer


def side_by_side(faults: Sequence[Fault], feature: str, exchanges: Sequence[ClientExchange]) -> list[list[Fault]]:
    """`faults` in groups in which none hides what another one does to a cell of `feature`.

    `exchanges` are those of the cell on a sound wire. A fault that refuses a request, for instance, hides whatever else
    would become of it; one that diverts the cell stands alone.
    """
    groups = [[fault] for fault in faults if feature in fault.diverts]
    together: list[list[Fault]] = []
    for fault in (fault for fault in faults if feature not in fault.diverts):
        fitting = (
            group
            for group in together
            if all(fault.shows_beside(one, exchanges) and one.shows_beside(fault, exchanges) for one in group)
        )
        if group := next(fitting, None):
            group.append(fault)
        else:
            together.append([fault])
    return groups + together


def _sides(exchange: ClientExchange) -> tuple[Asked, Answer]:
    return (
        Asked(exchange.operation, exchange.request_headers, exchange.request),
        Answer(exchange.status, exchange.response_headers, exchange.events, exchange.body),
    )
