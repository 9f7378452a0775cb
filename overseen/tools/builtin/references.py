"""Numbers of things the tools make: derived, so that making them twice gives the same number. Standard library only."""

from overseen.domain.identifiers import derived_id

_LENGTH = 10


def reference(prefix: str, *parts: str) -> str:
    """`PREFIX-` and ten characters (50 bits) that follow from the parts."""
    return f"{prefix}-{derived_id(prefix, *parts)[-_LENGTH:].upper()}"


def claim_reference(run_id: str) -> str:
    """The number of the one claim that a run registers; its payment refers to the same number."""
    return reference("CLM", run_id)
