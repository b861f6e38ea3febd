"""PDF input: the model reads a document that the user gave it, or that it opened with a tool."""
