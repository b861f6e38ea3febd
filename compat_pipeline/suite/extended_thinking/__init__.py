"""Extended thinking: the model reasons, and its reasoning survives the next turn."""
