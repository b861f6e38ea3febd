"""Compaction: a conversation is replaced by its summary and goes on."""
