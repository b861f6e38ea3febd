"""What a probe works with: ask the CLI, read what the upstream saw, prove things."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from compat_pipeline.claude.driver import ClaudeCall, Gateway, Sandbox, run_claude
from compat_pipeline.claude.stream import ClaudeResult
from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Outcome, Pass, ProductCause
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.wire.exchange import Exchange, UpstreamControl


class Judged(Exception):
    """Ends a probe early with the outcome it reached."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(getattr(outcome, "error", "") or outcome.status)
        self.outcome = outcome


def prove(holds: bool, error: str, cause: ProductCause = "gateway") -> None:
    """Go on only if `holds`; otherwise the cell fails with `error`, a fault of `cause`."""
    if not holds:
        raise Judged(Fail(error=error, cause=cause))


@dataclass(frozen=True)
class Talk:
    """One CLI process from both sides: what the CLI reported and what the upstream saw, oldest first."""

    result: ClaudeResult
    exchanges: list[Exchange]


@dataclass
class CellRun:
    """One run of one cell. Every CLI call it makes is kept in `results`, in order."""

    cell: Cell
    route: str
    settings: SuiteSettings
    upstream: UpstreamControl
    results: list[ClaudeResult] = field(default_factory=list)
    _armed: set[str] = field(default_factory=set)

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
        """
        call = ClaudeCall(model=self.cell.target, prompt=prompt or None, **options)
        gateway = Gateway(self.settings.proxy_url, self.settings.proxy_key)
        with self.sandbox() if sandbox is None else _borrowed(sandbox) as folder:
            result = run_claude(self.settings.claude, gateway, call, folder, retries=self.settings.retries)
        self.results.append(result)
        exchanges = [one for one in self.upstream.exchanges(nonce) if one.started_at >= result.started_at]
        if result.error is not None:
            fault = CliFault(kind=result.error.kind, status=result.error.status, message=result.error.message)
            scripted = nonce in self._armed
            raise Judged(classify(fault, _answers([one for one in exchanges if one.rule or not scripted])))
        return Talk(result, exchanges)

    def converse(self, nonce: str, prompt: str = "", *, turns: int = 1, **options: Any) -> Talk:
        """`ask`, and prove what holds for every sound conversation of `turns` model turns.

        One upstream request per turn, none refused, each streamed to the model that was asked for, each with the
        user's words and a system prompt, and the CLI's token counts equal to the upstream's. Self-healing by the CLI
        or by LiteLLM shows up here as a request too many.
        """
        talk = self.ask(nonce, prompt, **options)
        refused = [one for one in talk.exchanges if one.status != 200]
        if refused:
            fault = CliFault(kind="other", status=refused[0].status, message=refused[0].error or "")
            raise Judged(classify(fault, _answers(talk.exchanges)))
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
        answered = [one.reply["usage"] for one in talk.exchanges if one.reply]
        for name, seen in (
            ("output_tokens", talk.result.usage.output_tokens),
            ("cache_read_input_tokens", talk.result.usage.cache_read_input_tokens),
            ("cache_creation_input_tokens", talk.result.usage.cache_creation_input_tokens),
            ("input_tokens", talk.result.usage.input_tokens),
        ):
            sent = sum(int(usage.get(name) or 0) for usage in answered)
            prove(seen == sent, f"the upstream reported {name}={sent}, the CLI was told {seen}")
        prove(talk.result.usage.output_tokens > 0, "an answer was given, but no output token was counted")

    def passed(self) -> Outcome:
        """All that had to be proven was."""
        return Pass()


@contextmanager
def _borrowed(sandbox: Sandbox) -> Iterator[Sandbox]:
    yield sandbox


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
