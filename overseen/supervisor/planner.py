"""Asks a model for a plan. What holds is decided by `planning`."""

from collections.abc import Sequence
from typing import Protocol

from overseen.domain.plans import Plan
from overseen.models.types import ModelPort, ModelRequest
from overseen.prompts import PromptLibrary, UntrustedText, without_control_tokens
from overseen.supervisor.planning import parse_plan, plan_schema
from overseen.supervisor.playbook import Playbook

_MOST_TOKENS = 260
_MESSAGE_LENGTH = 600


class NamedFile(Protocol):
    """An attachment as far as planning looks at it."""

    @property
    def name(self) -> str:
        """What the requester called it."""
        ...

    @property
    def media_type(self) -> str:
        """image/jpeg."""
        ...


class Planner:
    """Turns a task into a plan of the playbook's agents with one model call."""

    def __init__(self, models: ModelPort, prompts: PromptLibrary) -> None:
        self._models = models
        self._prompts = prompts

    async def propose(
        self,
        playbook: Playbook,
        *,
        run_id: str,
        region: str,
        message: str,
        attachments: Sequence[NamedFile],
        problems: Sequence[str] = (),
        ordinal: int = 0,
    ) -> Plan:
        """A plan, not yet checked; `problems` are what was wrong with the one before.

        Raises UnreadablePlan when the answer is no plan, and what the model port raises.
        """
        prompt = self._prompts.get("supervisor/plan")
        agents = "\n".join(f"- {card.name}: {card.description}" for card in playbook.agents)
        files = ", ".join(f"{file.name} ({file.media_type})" for file in attachments[:12]) or "none"
        messages = prompt.messages(
            {"goal": playbook.goal, "agents": agents, "problems": without_control_tokens(" ".join(problems))},
            [UntrustedText(label="task", text=f"{message[:_MESSAGE_LENGTH]}\n\nFiles: {files}")],
        )
        answer = await self._models.complete(
            ModelRequest(
                run_id=run_id,
                step_id="plan",
                agent="supervisor",
                purpose="plan",
                ordinal=ordinal,
                messages=messages,
                schema=plan_schema(playbook),
                max_tokens=_MOST_TOKENS,
                region=region,
                prompt=prompt.reference,
            )
        )
        return parse_plan(playbook, answer.data, "repaired" if problems else "model")
