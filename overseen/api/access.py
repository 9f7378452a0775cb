"""Who may see and do what: the one place the answer is written down."""

from collections.abc import Collection
from dataclasses import dataclass

from overseen.domain.outcomes import Role
from overseen.errors import Forbidden, NotFound

_SEE_ALL_TASKS = frozenset({Role.AUDITOR, Role.OPERATOR, Role.REVIEWER})
_SEE_LEASES = frozenset({Role.AUDITOR, Role.OPERATOR})
_STOP = frozenset({Role.AUDITOR, Role.OPERATOR})
_SEE_REVIEWS = frozenset({Role.REVIEWER, Role.AUDITOR, Role.OPERATOR})


class NotSignedIn(Forbidden):
    """A program's request says nothing of who it is, or something that does not hold (any more)."""

    code = "not_signed_in"


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who is asking: a signed-in account. `email` is vouched for by whoever made the account."""

    account_id: str
    name: str
    display_name: str
    roles: frozenset[Role]
    email: str | None = None

    @property
    def may_submit(self) -> bool:
        """Hand in tasks of their own."""
        return Role.REQUESTER in self.roles

    @property
    def sees_all_tasks(self) -> bool:
        """See tasks and runs of everyone."""
        return bool(self.roles & _SEE_ALL_TASKS)

    @property
    def sees_reviews(self) -> bool:
        """See the queue."""
        return bool(self.roles & _SEE_REVIEWS)

    @property
    def may_decide(self) -> bool:
        """Decide cases (never those of their own tasks)."""
        return Role.REVIEWER in self.roles

    @property
    def sees_leases(self) -> bool:
        """See the ledger."""
        return bool(self.roles & _SEE_LEASES)

    @property
    def may_stop(self) -> bool:
        """Pull kill switches, lift them, and say what a finding of the reconciler was."""
        return bool(self.roles & _STOP)

    def require_leases(self) -> None:
        """Raise Forbidden unless they may see the ledger."""
        self.require(self.sees_leases, "seeing the leases", (Role.AUDITOR, Role.OPERATOR))

    def require_stops(self) -> None:
        """Raise Forbidden unless they may pull kill switches."""
        self.require(self.may_stop, "pulling kill switches", (Role.AUDITOR, Role.OPERATOR))

    def require_task(self, requester_id: str) -> None:
        """Raise NotFound unless they may see a task of that requester: ids of others tell nothing."""
        if requester_id != self.account_id and not self.sees_all_tasks:
            raise NotFound("There is no such task.", next_step="See the list of your tasks.")

    def require(self, allowed: bool, what: str, roles: Collection[Role] = ()) -> None:
        """Raise Forbidden unless `allowed`; `what` completes the sentence `Your roles do not allow ...`."""
        if not allowed:
            needed = " or ".join(role.value.replace("_", " ") for role in roles)
            raise Forbidden(
                f"Your roles do not allow {what}.",
                not_done="Nothing was done.",
                next_step=f"Ask an operator for the role {needed}." if needed else "Ask an operator.",
            )
