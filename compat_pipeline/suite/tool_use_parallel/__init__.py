"""Parallel tool use: the model calls several tools in one turn."""
