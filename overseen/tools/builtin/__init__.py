"""The tools that come with the house.

Every tool has a module here named after it, with the `run` that a sandbox imports; what the house knows about the tools
without running them is in `specs.py` and the `*_shapes.py` beside it, which sandboxes never import.
"""
