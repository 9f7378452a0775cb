"""The embedded services: PostgreSQL, OpenBao, the local model, and the process that keeps them running."""

from overseen.stack.launch import bring_up, describe, page_address, take_down

__all__ = ["bring_up", "describe", "page_address", "take_down"]
