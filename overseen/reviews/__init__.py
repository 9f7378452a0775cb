"""What waits for people: the queue, the cases, the decisions."""

from overseen.reviews.desk import ReviewCase, ReviewDesk, ReviewFilters, ReviewSummary
from overseen.reviews.edits import Edit, apply_edit, parse_edit
from overseen.reviews.ports import CommandQueue

__all__ = [
    "CommandQueue",
    "Edit",
    "ReviewCase",
    "ReviewDesk",
    "ReviewFilters",
    "ReviewSummary",
    "apply_edit",
    "parse_edit",
]
