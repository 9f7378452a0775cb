"""What waits for people: the queue, the cases, the decisions."""

from overseen.reviews.desk import ReviewCase, ReviewDesk
from overseen.reviews.edits import Edit, parse_edit
from overseen.reviews.ports import CommandQueue, EditRules, EditVerdict
from overseen.reviews.queue import ENDED, ReviewFilters, ReviewQueue, ReviewSummary

__all__ = [
    "ENDED",
    "CommandQueue",
    "Edit",
    "EditRules",
    "EditVerdict",
    "ReviewCase",
    "ReviewDesk",
    "ReviewFilters",
    "ReviewQueue",
    "ReviewSummary",
    "parse_edit",
]
