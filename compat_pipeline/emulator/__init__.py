"""The embedded providers: five upstreams on loopback that speak, refuse and answer as their owners document.

One module per wire (`wire_*`), one persona that answers, one table of rules. The emulator is our model of each
API: what is green here proves LiteLLM's translation against that model, not the cloud.
"""
