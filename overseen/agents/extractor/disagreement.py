"""Two readings of the same thing that differ: neither overrules the other in silence, a person sees both."""

from overseen.domain.findings import Finding, Verdict

DISAGREED = 0.5
"""Most that anybody can be sure of a value on which model and patterns differ: below every sensible threshold."""


def disagreement(fact: str, *, model: object, patterns: object, message: str) -> Finding:
    """The finding that names both readings of a fact; `model` and `patterns` are JSON values."""
    return Finding(
        check="readings_agree",
        verdict=Verdict.FLAG,
        subject=f"fact:{fact}",
        message=message,
        evidence={"model": model, "patterns": patterns},
    )
