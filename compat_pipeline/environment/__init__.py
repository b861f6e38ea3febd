"""One environment, run for real: the interpreters that are here, a venv of its own, the ladder of stages."""
