"""The first stages of the ladder, in the environment's interpreter: imports, the accelerator's patches, the router.

`compat_probe.py EVENTS RUNTIME [LAST]` appends a line of JSON per stage to the file EVENTS: its name, whether it was
passed, its words, and what was seen. RUNTIME is `stock` or anything else; LAST ends it after that stage. It runs on
every Python that is tested, the oldest too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

_MODEL = "claude-haiku-4-5"
_GREETING = [{"role": "user", "content": "Hello there, how are you today?"}]
_TOOL = {
    "type": "function",
    "function": {
        "name": "weigh",
        "description": "Weighs a parcel and tells what it costs to send it to a country, with and without insurance.",
        "parameters": {
            "type": "object",
            "properties": {"parcel": {"type": "string", "description": "its number"}, "country": {"type": "string"}},
            "required": ["parcel"],
        },
    },
}
_CALL = {"name": "weigh", "arguments": '{"parcel": "A-1", "country": "Norway"}'}
_PIXEL = "data:image/png;base64," + (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_COUNTED: dict[str, dict[str, Any]] = {
    "plain text": {"text": "Hello there, how are you today?"},
    "a message": {"messages": _GREETING},
    "tools": {"messages": _GREETING, "tools": [_TOOL]},
    "an image": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": _PIXEL}}]}]},
    "tool calls": {
        "messages": [
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": _CALL}]}
        ]
    },
}


class _Heard(logging.Handler):
    """What the accelerator logs while it patches: the names that it did not find."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if words.endswith(" not found"):
            self.missing.append(words.split()[1])


_HEARD = _Heard()


def _import_stock() -> dict[str, Any]:
    import litellm  # noqa: F401

    return {"resolved": {one.metadata["Name"]: one.version for one in metadata.distributions()}}


def _import_accelerated() -> dict[str, Any]:
    logging.getLogger("fast_litellm").addHandler(_HEARD)
    import fast_litellm  # noqa: F401

    return {**_import_stock(), "declared": metadata.requires("fast-litellm") or []}


def _self_report() -> dict[str, Any]:
    import fast_litellm

    health, patches = fast_litellm.health_check(), fast_litellm.get_patch_status()
    healthy = health.get("status") == "ok" or bool(health.get("overall_healthy"))
    return {"healthy": healthy, "claimed": list(patches.get("components") or patches.get("patched_functions") or [])}


def _patch_truth() -> dict[str, Any]:
    from fast_litellm import enhanced_monkeypatch

    applied = dict(enhanced_monkeypatch._patched_functions)
    if not applied:
        raise RuntimeError("the accelerator was imported, and patched nothing")
    return {"applied": applied, "missing": _HEARD.missing}


def _router() -> dict[str, Any]:
    import litellm

    entry = {"model": f"anthropic/{_MODEL}", "api_key": "none", "mock_response": "pong"}
    router = litellm.Router(model_list=[{"model_name": "m", "litellm_params": entry}])
    answers = [
        router.completion(model="m", messages=_GREETING),
        asyncio.run(router.acompletion(model="m", messages=_GREETING)),
    ]
    for answer in answers:
        if answer.choices[0].message.content != "pong":
            raise RuntimeError("the router lost the answer of its model")
    return {"counts": {what: litellm.token_counter(model=_MODEL, **asked) for what, asked in _COUNTED.items()}}


_STOCK = {"import": _import_stock, "router": _router}
_ACCELERATED: dict[str, Callable[[], dict[str, Any]]] = {
    "import": _import_accelerated,
    "self_report": _self_report,
    "patch_truth": _patch_truth,
    "router": _router,
}


def main(events: Path, runtime: str, last: str) -> None:
    """Every stage, whether or not one before it failed; but nothing goes on without its imports."""
    for stage, run in (_STOCK if runtime == "stock" else _ACCELERATED).items():
        started, event = time.monotonic(), {"stage": stage, "passed": True, "words": "", "seen": {}}
        try:
            event["seen"] = run()
        except BaseException:
            event.update(passed=False, words=traceback.format_exc())
        event["duration_s"] = round(time.monotonic() - started, 3)
        with events.open("a") as file:
            file.write(json.dumps(event) + "\n")
        if stage == last or (stage == "import" and not event["passed"]):
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
