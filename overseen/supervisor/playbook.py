"""What the supervisor asks of a playbook; the playbooks room has the real type."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from overseen.domain.call_rules import CallRules, EditRules, Tolerance
from overseen.domain.same_loss import SameLoss


class AgentCard(Protocol):
    """One agent as the playbook knows it."""

    @property
    def name(self) -> str:
        """The agent's name."""
        ...

    @property
    def description(self) -> str:
        """One sentence: what it finds out."""
        ...

    @property
    def needs(self) -> Sequence[str]:
        """Facts it must be given."""
        ...

    @property
    def produces(self) -> Sequence[str]:
        """Facts it produces."""
        ...


class Playbook(Protocol):
    """The definition of one automation, as far as planning, ruling, boundary and proposal need it."""

    @property
    def name(self) -> str:
        """claims_intake."""
        ...

    @property
    def goal(self) -> str:
        """One sentence: what a run of it is for."""
        ...

    @property
    def currency(self) -> str:
        """ISO 4217 code of its money where nothing says otherwise."""
        ...

    @property
    def agents(self) -> Sequence[AgentCard]:
        """Its agents."""
        ...

    @property
    def decision_facts(self) -> Sequence[str]:
        """Facts the decision cannot do without having been looked for."""
        ...

    @property
    def facts(self) -> Sequence["FactDefinition"]:
        """Every fact its agents produce."""
        ...

    @property
    def rules(self) -> Mapping[str, Mapping[str, Any]]:
        """Decision tables by name: `outcome` and `boundary`."""
        ...

    @property
    def calls(self) -> Mapping[str, CallRules]:
        """What the arguments of its calls with an effect are, by tool."""
        ...

    @property
    def edits(self) -> EditRules:
        """What a reviewer may put in place of a proposal alone."""
        ...

    @property
    def tolerates(self) -> Sequence[Tolerance]:
        """What the safety floor lets pass, by outcome."""
        ...

    @property
    def same_loss(self) -> SameLoss | None:
        """What makes two tasks the same loss; None where tasks are not compared."""
        ...

    @property
    def plan(self) -> Sequence["PlanLine"]:
        """Its own plan: each agent once, with what it is to do."""
        ...

    @property
    def boundary(self) -> "Thresholds":
        """Figures that the `boundary` rules compare with."""
        ...

    @property
    def confidence_threshold(self) -> float:
        """A decision fact below it is not sure enough to act on without a person."""
        ...

    @property
    def letters(self) -> Mapping[str, "LetterTemplate"]:
        """What is written to the claimant, by outcome: settle, deny, ask."""
        ...


class FactDefinition(Protocol):
    """One fact as the playbook knows it."""

    @property
    def name(self) -> str:
        """incident_date."""
        ...

    @property
    def type(self) -> str:
        """text, date, money, bool, count or choice."""
        ...

    @property
    def title(self) -> str:
        """What people call it: Date of the incident."""
        ...


class LetterTemplate(Protocol):
    """Subject and body of a letter, Jinja2 text."""

    @property
    def subject(self) -> str:
        """One line."""
        ...

    @property
    def body(self) -> str:
        """Plain text."""
        ...


class PlanLine(Protocol):
    """One step of the playbook's own plan."""

    @property
    def agent(self) -> str:
        """Name of the agent."""
        ...

    @property
    def goal(self) -> str:
        """What it is to do, in one sentence."""
        ...


class Thresholds(Protocol):
    """How far the machine may go by itself."""

    @property
    def automate_up_to(self) -> Decimal:
        """The most that is settled without a person."""
        ...

    @property
    def currency(self) -> str:
        """ISO 4217 code of that sum; others are never settled without a person."""
        ...
