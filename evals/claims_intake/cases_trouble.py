"""Claims in which something is missing, large, unclear or hard to read."""

from evals.claims_intake.material import Case

CASES: tuple[Case, ...] = ()
