"""Attribution: what LiteLLM records of Claude Code's requests, by whom they were and what they cost."""
