"""Cancellation: a user presses Ctrl-C in the middle of an answer."""
