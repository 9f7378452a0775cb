"""What of a run its requester may be told. Pages, API and command line go by it (`api.requester_view`), and so do the
answers in the chat; those who review and audit are shown everything.

A ruling is a draft until it was carried out, or until its question was put to the requester. Of a draft nothing is
told: neither its outcome and amount, nor why, nor what was found out on the way to it.
"""

from collections.abc import Iterable

from overseen.domain.facts import Fact, Trust
from overseen.domain.outcomes import DecisionKind, Outcome, RunState

_CARRIED_OUT = frozenset({RunState.SETTLED, RunState.DENIED, RunState.CLOSED})
_DECIDED_OTHERWISE = frozenset({DecisionKind.REJECT, DecisionKind.EDIT})
_OF_THEIR_OWN = frozenset({Trust.REQUESTER, Trust.DOCUMENT})


def ruling_is_told(state: RunState, outcome: Outcome | None, decision: DecisionKind | None) -> bool:
    """Whether the ruling is what was decided, and so may be told.

    `outcome` is the ruling's; `decision` what a person said of it, None when no person did. A ruling that a person
    rejected or changed was never decided. A waiting run has told its ruling only when that is the question it put.
    """
    if state in _CARRIED_OUT:
        return decision not in _DECIDED_OTHERWISE
    return state is RunState.WAITING_REQUESTER and outcome is Outcome.ASK and decision in (None, DecisionKind.APPROVE)


def told_facts(facts: Iterable[Fact], *, ruling_told: bool) -> tuple[Fact, ...]:
    """The facts a requester may be told, in their order.

    Until the ruling is told these are the ones read from what the requester handed in: what was looked up or computed
    is what the draft rests on, and gives it away.
    """
    return tuple(fact for fact in facts if ruling_told or fact.trust in _OF_THEIR_OWN)
