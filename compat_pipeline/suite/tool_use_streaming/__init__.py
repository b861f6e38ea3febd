"""Fine-grained tool streaming: the input of a tool call arrives in pieces, as the model writes it."""
