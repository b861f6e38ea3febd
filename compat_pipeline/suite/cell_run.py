"""What a probe works with: ask the CLI, read what the upstream saw, prove things."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from compat_pipeline.claude.driver import ClaudeCall, ProxyAddress, Sandbox, run_claude
from compat_pipeline.claude.stream import ClaudeResult
from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome, Pass, ProductCause
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.wire.exchange import Exchange, UpstreamControl

_OK = 200
INPUT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Judged(Exception):
    """Ends a probe early with the outcome it reached."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(getattr(outcome, "error", "") or outcome.status)
        self.outcome = outcome


def prove(holds: bool, error: str, cause: ProductCause = "gateway") -> None:
    """Go on only if `holds`; otherwise the cell fails with `error`, a fault of `cause`."""
    if not holds:
        raise Judged(Fail(error=error, cause=cause))


def expect_of_model(holds: bool, what: str) -> None:
    """Go on only if the model itself did its part; where the upstream already said otherwise, no product is judged."""
    if not holds:
        raise Judged(Inconclusive(cause="model_behaviour", error=what))


@dataclass(frozen=True)
class Talk:
    """One CLI process from both sides: what the CLI reported and what the upstream saw, oldest first."""

    result: ClaudeResult
    exchanges: list[Exchange]

    def prove_answer(self, expected: str) -> None:
        """The model's last words were `expected`, and they arrived so."""
        sent = "".join(block["text"] for block in self.replies[-1]["content"] if block["type"] == "text").strip()
        expect_of_model(sent == expected, f"the model was led to answer '{expected}', but answered '{sent}'")
        told = self.result.text.strip()
        prove(told == expected, f"the upstream answered '{expected}', the CLI was told '{told}'")

    @property
    def replies(self) -> list[dict[str, Any]]:
        """The messages that the upstream sent, oldest first."""
        return [one.reply for one in self.exchanges if one.reply is not None]


@dataclass
class CellRun:
    """One run of one cell. Every CLI call it makes is kept in `results`, in order."""

    cell: Cell
    route: str
    settings: SuiteSettings
    upstream: UpstreamControl
    results: list[ClaudeResult] = field(default_factory=list)
    _armed: set[str] = field(default_factory=set)
    _seen: dict[str, int] = field(default_factory=dict)

    def nonce(self) -> str:
        """A fresh code that marks a prompt and that no cached or canned answer can contain."""
        return f"nonce-{secrets.token_hex(6)}"

    def arm(self, nonce: str, behaviour: str) -> None:
        """Let the upstream treat the requests of `nonce` as scripted, e.g. refuse the stream."""
        self.upstream.arm(nonce, behaviour)
        self._armed.add(nonce)

    @contextmanager
    def sandbox(self) -> Iterator[Sandbox]:
        """A home and working folder for calls that must see the very same prompt."""
        with Sandbox(self.settings.scratch) as sandbox:
            yield sandbox

    def ask(self, nonce: str, prompt: str = "", sandbox: Sandbox | None = None, **options: Any) -> Talk:
        """Run the CLI once and collect the upstream's side of it.

        `options` are the fields of ClaudeCall. Raises Judged when the CLI did not end well: the fault is classified
        by what the upstream answered, so that a provider's or an account's trouble never reads as a product fault.
        It does the same for a request that the upstream refused and the CLI or LiteLLM healed behind our back.
        """
        call = ClaudeCall(model=self.cell.target, prompt=prompt or None, **options)
        proxy = ProxyAddress(self.settings.proxy_url, self.settings.proxy_key)
        with self.sandbox() if sandbox is None else _borrowed(sandbox) as folder:
            result = run_claude(self.settings.claude, proxy, call, folder, retries=self.settings.retries)
        self.results.append(result)
        exchanges = self._new_exchanges(nonce, result)
        if result.error is not None:
            fault = CliFault(kind=result.error.kind, status=result.error.status, message=result.error.message)
            raise Judged(classify(fault, _answers(self._unscripted(nonce, exchanges))))
        refused = [one for one in self._unscripted(nonce, exchanges) if one.status != _OK]
        if refused:
            fault = CliFault(kind="other", status=refused[0].status, message=refused[0].error or "")
            raise Judged(classify(fault, _answers(refused)))
        return Talk(result, exchanges)

    def _new_exchanges(self, nonce: str, result: ClaudeResult) -> list[Exchange]:
        """The messages exchanged since the last call with this nonce, those of failed attempts left out."""
        known = [one for one in self.upstream.exchanges(nonce) if one.operation != "count_tokens"]
        fresh = known[self._seen.get(nonce, 0) :]
        self._seen[nonce] = len(known)
        return fresh if len(result.attempts) == 1 else [one for one in fresh if one.started_at >= result.started_at]

    def _unscripted(self, nonce: str, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """The exchanges without the refusals that the test itself asked for."""
        scripted = nonce in self._armed
        return [one for one in exchanges if not (scripted and one.streamed and one.status != _OK and not one.rule)]

    def converse(self, nonce: str, prompt: str = "", *, turns: int = 1, **options: Any) -> Talk:
        """`ask`, and prove what holds for every sound conversation of `turns` model turns.

        One upstream request per turn, none refused (by `ask`), each streamed to the model that was asked for, each
        with the user's words and a system prompt, and the CLI's token counts equal to the upstream's. Self-healing by
        the CLI or by LiteLLM shows up here as a request too many.
        """
        talk = self.ask(nonce, prompt, **options)
        prove(
            len(talk.exchanges) == turns,
            f"the upstream got {len(talk.exchanges)} requests where {turns} were due (re-sent or lost)",
        )
        prove(all(one.streamed for one in talk.exchanges), "the CLI asked for a stream, the upstream got none")
        self.prove_intact(talk, prompt)
        return talk

    def prove_intact(self, talk: Talk, prompt: str) -> None:
        """The model, the user's words, the system prompt and the token counts crossed the proxy unharmed."""
        for exchange in talk.exchanges:
            prove(
                self.route.endswith(exchange.model),
                f"asked for {self.route}, the upstream was asked for {exchange.model}",
            )
            prove(bool(exchange.request.get("system")), "the system prompt did not reach the upstream")
            prove(prompt in user_text(exchange.request), "the user's words did not reach the upstream whole")
        sent = [reply["usage"] for reply in talk.replies]
        told = talk.result.usage
        for name, due, seen in (
            ("input", sum(_input_tokens(usage) for usage in sent), _input_tokens(vars(told))),
            ("output", sum(int(usage["output_tokens"]) for usage in sent), told.output_tokens),
        ):
            prove(seen == due, f"the upstream counted {due} {name} tokens, the CLI was told {seen}")

    def passed(self) -> Outcome:
        """All that had to be proven was."""
        return Pass()


@contextmanager
def _borrowed(sandbox: Sandbox) -> Iterator[Sandbox]:
    yield sandbox


def _input_tokens(usage: Mapping[str, Any]) -> int:
    """All input, however it is split between fresh, read from the cache and written to it."""
    return sum(int(usage.get(name) or 0) for name in INPUT_COUNTS)


def _answers(exchanges: Sequence[Exchange]) -> list[UpstreamAnswer]:
    return [UpstreamAnswer(status=one.status, error=one.error, rule=one.rule) for one in exchanges]


def user_text(request: dict[str, Any]) -> str:
    """All text a user wrote in a Messages request, in order."""
    return "\n".join(
        block["text"]
        for message in request.get("messages", [])
        if message["role"] == "user"
        for block in blocks(message)
        if block.get("type") == "text"
    )


def blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's content as blocks, whichever of the two forms it came in."""
    content = message.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
