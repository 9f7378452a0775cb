"""What would be done: the calls a decision leads to, and the digest an approval is bound to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overseen.domain.canonical import digest
from overseen.domain.outcomes import Ruling


@dataclass(frozen=True, kw_only=True)
class ProposedCall:
    """One effect that would happen. Arguments are resolved values; `argument_facts` says which fact each came from."""

    tool: str
    arguments: Mapping[str, Any]
    argument_facts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def digest(self) -> str:
        """The same digest as of the ToolCall it becomes (without files)."""
        return digest(
            {"tool": self.tool, "arguments": self.arguments, "argument_facts": self.argument_facts, "files": []}
        )


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A ruling and the calls it leads to, in order. Reviewers approve exactly this."""

    ruling: Ruling
    calls: tuple[ProposedCall, ...]

    @property
    def digest(self) -> str:
        """Digest over the ruling's outcome and amount and every call."""
        return digest(
            {
                "outcome": self.ruling.outcome,
                "amount": self.ruling.amount,
                "currency": self.ruling.currency,
                "calls": [call.digest for call in self.calls],
            }
        )
