"""Prompt caching with the default life of five minutes."""
