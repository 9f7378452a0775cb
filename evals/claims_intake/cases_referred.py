"""Claims the rules do not settle: injury, unknown and lapsed policies, exclusions, two claims in one mail, another currency."""

from evals.claims_intake import scenes_car
from evals.claims_intake.camera import Shot
from evals.claims_intake.insurer_data import record_facts
from evals.claims_intake.material import NO_POLICY, Case, Paper, Photo, Text, Truth
from evals.claims_intake.papers import Bill

CASES: tuple[Case, ...] = ()
