"""The one command that runs a cell again under the very conditions that it was observed under."""

from __future__ import annotations

import shlex

from compat_pipeline.domain.cell import AT_ONCE
from compat_pipeline.domain.variants import DEFAULT
from compat_pipeline.domain.verdict import UpstreamMode

UNKNOWN = "unknown"
"""What cannot be known of a proxy that is given by its address alone."""


def again(
    cell: str,
    *,
    litellm: str,
    claude_code: str,
    upstream: UpstreamMode,
    variant: str = DEFAULT,
    fault: str | None = None,
    baseline: str = "",
) -> str:
    """A shell command; `litellm` is a version or `path:CHECKOUT`, an unknown version is left out.

    It publishes nothing and writes no matrix; the next run that writes one counts what it observed.
    """
    if fault:
        command = " ".join(["prove", *(f"--fault {shlex.quote(name)}" for name in fault.split(AT_ONCE))])
    elif variant != DEFAULT:
        command = f"variants --variant {shlex.quote(variant)}"
    else:
        command = "gate"
    options = {"--litellm": litellm, "--claude-code": claude_code, "--cells": cell, "--baseline": baseline}
    told = [f"{option} {shlex.quote(value)}" for option, value in options.items() if value not in ("", UNKNOWN)]
    return f"COMPAT_UPSTREAM={upstream} compat {command} {' '.join(told)}"
