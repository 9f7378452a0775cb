"""Edits as the desk checks them: by the playbook, the shapes of the tools, and the checks on what leaves the house."""

from collections.abc import Mapping
from typing import Any

from overseen.blocking import run_blocking
from overseen.errors import InvalidInput
from overseen.guardrails.decision_checks import DecisionChecks
from overseen.guardrails.judged import outgoing_checks
from overseen.playbooks import load_playbook
from overseen.reviews import Edit, EditVerdict
from overseen.supervisor.edits import EditChecker
from overseen.supervisor.stored import grounds_of
from overseen.tools.registry import ToolRegistry, load_registry


class PlaybookEditRules:
    """See `overseen.reviews.EditRules`."""

    def __init__(self, registry: ToolRegistry | None = None) -> None:
        self._checker = EditChecker(registry or load_registry(), DecisionChecks(outgoing_checks()))

    async def check(self, playbook: str, content: Mapping[str, Any], edit: Edit) -> EditVerdict:
        """See `overseen.reviews.EditRules`."""
        grounds = grounds_of(await run_blocking(load_playbook, playbook), content)
        calls = self._checker.with_amount(grounds, edit.amount) if edit.amount is not None else edit.calls
        if not calls:
            raise InvalidInput(
                "The case has nothing to pay from: no policy is on record.",
                not_done="No decision was stored.",
                next_step="Ask the requester, or reject.",
            )
        checked = await self._checker.check(grounds, calls)
        return EditVerdict(
            calls=tuple({"tool": call.tool, "arguments": dict(call.arguments)} for call in checked.proposal.calls),
            second_person=checked.second_person,
        )
