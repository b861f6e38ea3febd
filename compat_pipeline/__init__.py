"""The Claude Code Compatibility Matrix: real CLI, real LiteLLM, judged on the wire."""
