"""LiteLLM: resolve a release, render its config, run it as a leased process, prove it is up, take it down."""
