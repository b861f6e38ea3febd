"""Structured outputs: the answer takes the shape that the user's JSON schema asks for."""
