"""Tools: what they are, the one gateway that all their calls pass, and the sandboxes they run in.

Nothing is exported here on purpose: this module is imported inside the sandbox at every call and must cost nothing.
Use `overseen.tools.types`, `overseen.tools.registry` and `overseen.tools.gateway`.
"""
