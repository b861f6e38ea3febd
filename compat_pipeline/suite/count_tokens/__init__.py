"""Token counting: how large a request is, before it is sent."""
