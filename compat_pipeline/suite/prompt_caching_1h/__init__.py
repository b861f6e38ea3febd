"""Prompt caching for an hour: what was sent before is read from the provider's cache, long after."""
