"""What waits for people: the queue, the cases, the decisions."""

from overseen.reviews.desk import ReviewCase, ReviewDesk
from overseen.reviews.edits import Edit, apply_edit, parse_edit
from overseen.reviews.ports import CommandQueue
from overseen.reviews.queue import ENDED, ReviewFilters, ReviewQueue, ReviewSummary

__all__ = [
    "ENDED",
    "CommandQueue",
    "Edit",
    "ReviewCase",
    "ReviewDesk",
    "ReviewFilters",
    "ReviewQueue",
    "ReviewSummary",
    "apply_edit",
    "parse_edit",
]
