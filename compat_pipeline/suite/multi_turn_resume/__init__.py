"""Resuming a session: a later Claude Code goes on with an earlier one's conversation."""
