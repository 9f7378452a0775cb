"""What an agent is: something that looks at a situation and says what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.plans import Step


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file the requester handed in. `name` is what they called it: shown to people, never used as a path."""

    attachment_id: str
    name: str
    media_type: str
    size: int
    blob: str

    @property
    def is_photo(self) -> bool:
        """Whether the media type says picture."""
        return self.media_type.startswith("image/")


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything an agent may look at when it thinks.

    `facts` are those the step needs, by name. `results` are the tool results of this step so far, in the order of the
    calls. `message_blob` is the requester's message as UTF-8 text. `language` and `currency` are the playbook's own,
    for reading dates and sums that do not say which they mean. `handed_in` is the day (UTC) on which the requester last
    handed something in: the "today" of the run, which does not move when it is replayed; None where nobody knows it.
    """

    run_id: str
    step: Step
    playbook: str
    attachments: tuple[Attachment, ...] = ()
    message_blob: str | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict[str, Fact])
    results: tuple[CallResult, ...] = ()
    region: str = "local"
    language: str = "en"
    currency: str = "GBP"
    handed_in: date | None = None


@dataclass(frozen=True, kw_only=True)
class CallTools:
    """The agent wants these calls made; it thinks again with their results."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, kw_only=True)
class Conclude:
    """The agent is done: what it found out, and what its checks said."""

    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...] = ()


Move = CallTools | Conclude


class Agent(Protocol):
    """A specialist. It holds no state between two thoughts: everything it knows is in the situation.

    `tools` are the tools it may ask for; `needs` and `produces` are fact names. Thinking the same thing about the same
    situation makes the same calls with the same ordinals, so a crash between two thoughts repeats no effect.
    """

    @property
    def name(self) -> str:
        """The agent's name in plans, leases and the journal."""
        ...

    @property
    def tools(self) -> frozenset[str]:
        """Names of the tools it may ask for."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """Facts it must be given."""
        ...

    @property
    def produces(self) -> frozenset[str]:
        """Facts it may produce."""
        ...

    async def think(self, situation: Situation) -> Move:
        """The next move. Raises Unavailable when no model answers, Refused when a budget is spent."""
        ...
