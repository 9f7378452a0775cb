"""An edit: the calls a reviewer puts in place of those proposed."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseen.domain.proposals import ProposedCall
from overseen.errors import InvalidInput


class EditedCall(BaseModel):
    """One call as the reviewer wants it. `arguments` is the whole set, not a difference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str = Field(min_length=1, max_length=60)
    arguments: dict[str, Any]


class Edit(BaseModel):
    """`{"calls": [{"tool": ..., "arguments": {...}}, ...]}`: replaces the proposal's calls, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: list[EditedCall] = Field(min_length=1, max_length=20)


def parse_edit(data: Mapping[str, Any]) -> Edit:
    """The edit in `data`. Raises InvalidInput that names the field which is wrong."""
    try:
        return Edit.model_validate(data)
    except ValidationError as error:
        where = "; ".join(".".join(map(str, item["loc"])) + ": " + item["msg"] for item in error.errors())
        raise InvalidInput(
            f"The edit cannot be read: {where}.",
            not_done="No decision was stored.",
            next_step='Send {"calls": [{"tool": ..., "arguments": {...}}]}.',
        ) from error


def apply_edit(edit: Edit, proposed: Sequence[ProposedCall]) -> tuple[ProposedCall, ...]:
    """The calls to make. An argument left as proposed keeps the fact it came from; a changed one is the person's."""
    before = {call.tool: call for call in proposed}
    changed: list[ProposedCall] = []
    for call in edit.calls:
        known = before.get(call.tool)
        facts = {
            name: fact
            for name, fact in (known.argument_facts.items() if known else ())
            if known is not None and call.arguments.get(name) == known.arguments.get(name)
        }
        changed.append(ProposedCall(tool=call.tool, arguments=call.arguments, argument_facts=facts))
    return tuple(changed)
