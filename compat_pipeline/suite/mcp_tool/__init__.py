"""Tools of an MCP server: the model calls a tool that a program of the user's offers."""
