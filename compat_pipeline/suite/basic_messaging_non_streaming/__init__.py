"""Basic messaging without a stream: Claude Code's fallback when the upstream refuses to stream."""
