"""Web search: the provider searches for Claude Code, in a request of its own."""
