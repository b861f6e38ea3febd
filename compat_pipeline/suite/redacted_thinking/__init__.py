"""Redacted thinking: thoughts that only the provider can read go back to it with the next turn."""
