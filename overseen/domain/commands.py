"""What a run can be told to do: the only things the queue ever carries."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Command:
    """One reason to advance a run. `kind` is start, decision or message; `subject_id` is the decision or message.

    `command_id` names it for ever: handing in the same command twice advances the run once.
    """

    run_id: str
    kind: str
    subject_id: str | None = None

    @property
    def command_id(self) -> str:
        """Unique per run, kind and subject."""
        return ":".join(part for part in (self.run_id, self.kind, self.subject_id) if part)
