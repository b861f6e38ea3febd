"""Extended thinking with tools: the model thinks, calls a tool, and goes on from its own thoughts."""
