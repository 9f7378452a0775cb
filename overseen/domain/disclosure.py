"""What of a run its requester may be told. Pages, API and command line go by it (`api.requester_view`), and so do the
answers and closing words in the chat; those who review and audit are shown everything.

A ruling is a draft until it was carried out, or until its question was put to the requester. Of a draft nothing is
told: neither its outcome and amount, nor why, nor what was found out on the way to it.

What rests on a record is told only to the person whose record it is, and only what the playbook says. Whoever types
somebody else's number is told how it ended and what is asked of them, whether there is such a record or not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from overseen.domain.facts import Fact, Trust
from overseen.domain.outcomes import DecisionKind, Outcome, Ruling, RunState

_CARRIED_OUT = frozenset({RunState.SETTLED, RunState.DENIED, RunState.CLOSED})
_DECIDED_OTHERWISE = frozenset({DecisionKind.REJECT, DecisionKind.EDIT})
_OF_THEIR_OWN = frozenset({Trust.REQUESTER, Trust.DOCUMENT})


class ShownTo(StrEnum):
    """Who may see a fact."""

    REQUESTER = "requester"
    """Whoever handed the task in, when what it rests on is theirs."""
    REVIEWER = "reviewer"
    """Those who decide and audit, nobody else."""


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """What a playbook lets a requester see.

    `shown_to` holds the facts of which it says so. Of the others a requester sees what was read from what they handed
    in, and nothing that was looked up or worked out. `theirs_when` names the fact of a record that must be the address
    vouched for by whoever made the requester's account; None: no record is ever known to be theirs.
    """

    shown_to: Mapping[str, ShownTo] = field(default_factory=dict[str, ShownTo])
    theirs_when: str | None = None

    def details_are_told(self, facts: Iterable[Fact], address: str | None) -> bool:
        """Whether why and how much may be told: nothing rests on a record, or the record is the requester's own."""
        known = list(facts)
        if not any(fact.trust is Trust.RECORD for fact in known):
            return True
        owner = next((fact for fact in known if fact.name == self.theirs_when), None)
        if owner is None or owner.trust is not Trust.RECORD or owner.value is None or not address:
            return False
        return str(owner.value).strip().casefold() == address.strip().casefold()

    def told_facts(self, facts: Iterable[Fact], *, details_told: bool) -> tuple[Fact, ...]:
        """The facts a requester may be told, in their order.

        `details_told`: the ruling is told, and what it rests on is the requester's own. Until then these are the ones
        read from what the requester handed in: what was looked up or computed is what the draft rests on.
        """
        return tuple(fact for fact in facts if self._is_told(fact, details_told=details_told))

    def for_their_eyes(self, facts: Mapping[str, Fact]) -> dict[str, Fact]:
        """The facts that words to the requester may be made of: those an owner may be told."""
        return {name: fact for name, fact in facts.items() if self._is_told(fact, details_told=True)}

    def _is_told(self, fact: Fact, *, details_told: bool) -> bool:
        said = self.shown_to.get(fact.name)
        if said is ShownTo.REVIEWER:
            return False
        return fact.trust in _OF_THEIR_OWN or (said is ShownTo.REQUESTER and details_told)


def ruling_is_told(state: RunState, outcome: Outcome | None, decision: DecisionKind | None) -> bool:
    """Whether the ruling is what was decided, and so may be told.

    `outcome` is the ruling's; `decision` what a person said of it, None when no person did. A ruling that a person
    rejected or changed was never decided. A waiting run has told its ruling only when that is the question it put.
    """
    if state in _CARRIED_OUT:
        return decision not in _DECIDED_OTHERWISE
    return state is RunState.WAITING_REQUESTER and outcome is Outcome.ASK and decision in (None, DecisionKind.APPROVE)


def told_ruling(ruling: Ruling, *, details_told: bool) -> Ruling:
    """The ruling as its requester may read it.

    Why something was referred to a person is never told: signs of fraud are among it. Without the details only the
    outcome is left, and what is asked for.
    """
    if details_told and ruling.outcome is not Outcome.REFER:
        return ruling
    bare = replace(ruling, reasons=(), rules=(), decision_class="")
    return bare if details_told else replace(bare, amount=None, sum_terms=())


WITHHELD_DETAILS = (
    "What this rests on is told only to the person whose record it is, and letters go to the address on record only. "
    "If that is you, ask whoever gave you this account to add your mail address to it."
)
"""The same words whether there is such a record or not."""
