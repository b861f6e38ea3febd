"""The compatibility tests: a folder per feature, a file per provider, a shared probe in each folder.

A probe drives the real CLI through the proxy and proves one feature on both sides: from the CLI's events and from
what the upstream saw and said. "Exit 0 and some text" proves nothing (self-healing hides faults).
"""
