"""Basic messaging as Claude Code always does it: streamed."""
