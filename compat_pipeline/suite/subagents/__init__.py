"""Sub-agents: the model hands a task to another conversation and works on with its answer."""
