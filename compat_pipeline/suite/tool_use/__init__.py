"""Tool use: the model calls a tool of Claude Code and works on with its result."""
