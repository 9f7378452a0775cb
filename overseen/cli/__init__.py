"""The command line: one file a room, put together in `main`."""

from overseen.cli.application import main

__all__ = ["main"]
