"""What LiteLLM loads into its own interpreter: nothing but the standard library may be imported here."""
