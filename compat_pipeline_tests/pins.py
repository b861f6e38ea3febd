"""The versions that tests with real parts run against."""

from __future__ import annotations

LITELLM = "1.106.2"
CLAUDE_CODE = "2.1.329"
