"""LiteLLM's own command with the accelerator loaded: it patches LiteLLM only where it is imported first."""

from __future__ import annotations

import fast_litellm  # noqa: F401
from litellm.proxy.proxy_cli import run_server

if __name__ == "__main__":
    run_server()
