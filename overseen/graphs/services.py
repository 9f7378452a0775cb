"""What the nodes of the supervisor graph work with; put together once per worker by the composition root."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from overseen.agents.agent import Agent
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.proposals import Proposal
from overseen.domain.same_loss import LossMark, OtherLoss
from overseen.graphs.case_file import CaseFiles
from overseen.supervisor.edits import EditChecker
from overseen.supervisor.explainer import Explainer
from overseen.supervisor.planner import Planner
from overseen.tools.types import ToolPort


class HeadSigner(Protocol):
    """Signs the head of a run's chain with a key that never leaves the vault."""

    async def sign(self, head_hash: str, /) -> str:
        """The signature. Raises Unavailable when the vault does not answer."""
        ...


class DecisionChecks(Protocol):
    """Guardrails over all facts of a run together, and over what would be sent out."""

    async def inspect_facts(self, facts: Mapping[str, Fact], findings: Sequence[Finding]) -> Sequence[Finding]:
        """Findings about facts of different steps that do not fit together; `findings` are those of the steps."""
        ...

    async def inspect_proposal(self, proposal: Proposal, facts: Mapping[str, Fact]) -> Sequence[Finding]:
        """Findings about outgoing text: personal data of others, secrets."""
        ...


class LossRegister(Protocol):
    """Knows which run was known by a mark first, over all workers."""

    async def reserve(self, run_id: str, playbook: str, marks: Sequence[LossMark]) -> Sequence[OtherLoss]:
        """Reserve the marks for the run; the runs of other tasks that had them before. Safe to be tried again."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunServices:
    """Ports of the supervisor graph. `agents` are by name."""

    cases: CaseFiles
    tools: ToolPort
    agents: Mapping[str, Agent]
    planner: Planner
    explainer: Explainer
    checks: DecisionChecks
    edits: EditChecker
    losses: LossRegister
    signer: HeadSigner
