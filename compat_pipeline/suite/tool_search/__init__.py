"""Tool search: tools are found by a search and loaded when they are needed."""
