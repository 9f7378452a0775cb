"""What the supervisor graph keeps between nodes: ids, digests and blob addresses, never content.

The state is stored at every step and read by anyone who may read the database, so nothing personal stands in it.
"""

from collections.abc import Mapping
from typing import Annotated, NotRequired, TypedDict


class StepOutput(TypedDict):
    """What a finished step left behind, as blob addresses."""

    facts_blob: str
    findings_blob: str


def merge(known: Mapping[str, StepOutput], new: Mapping[str, StepOutput]) -> dict[str, StepOutput]:
    """Parallel steps each add their own output."""
    return {**known, **new}


class RunGraphState(TypedDict):
    """State of one run: a key is there once the node that writes it has run.

    `round` counts from 1 and grows when the requester added something.

    `outputs` are keyed `round:step_id`. `proposal_digest` is of exactly what would be done. `authorizations` are in the
    order of the proposal's calls. `end` is the RunState that the run closes in.
    """

    run_id: str
    round: int
    plan_blob: str
    outputs: Annotated[dict[str, StepOutput], merge]
    facts_blob: str
    findings_blob: str
    ruling_blob: str
    proposal_blob: str
    proposal_digest: str
    explanation_blob: str
    level: str
    review_id: str
    decision_id: NotRequired[str]
    authorizations: NotRequired[list[str]]
    end: str


class StepInput(TypedDict):
    """What a parallel branch is given: which step of which run, in which round."""

    run_id: str
    round: int
    step_id: str
    plan_blob: str
    outputs: dict[str, StepOutput]
