"""The five real providers behind loopback: LiteLLM is given made-up credentials, the relay puts in the user's own."""
