"""Non-streaming requests of other clients: one JSON answer, with no stream anywhere."""
