"""An edit: the calls a reviewer puts in place of those proposed."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from overseen.errors import InvalidInput


class EditedCall(BaseModel):
    """One call as the reviewer wants it. `arguments` is the whole set, not a difference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str = Field(min_length=1, max_length=60)
    arguments: dict[str, Any]


class Edit(BaseModel):
    """Either `amount`, and every call and the letter follow from it, or the whole set of `calls`, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: list[EditedCall] = Field(default=[], max_length=20)
    amount: str | None = Field(default=None, max_length=40)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.calls) == (self.amount is not None):
            raise ValueError("either the calls or the amount is needed")
        return self


def parse_edit(data: Mapping[str, Any]) -> Edit:
    """The edit in `data`. Raises InvalidInput that names the field which is wrong."""
    try:
        return Edit.model_validate(data)
    except ValidationError as error:
        where = "; ".join(".".join(map(str, item["loc"])) + ": " + item["msg"] for item in error.errors())
        raise InvalidInput(
            f"The edit cannot be read: {where}.",
            not_done="No decision was stored.",
            next_step='Send {"amount": "1590.50"}, or {"calls": [{"tool": ..., "arguments": {...}}]}.',
        ) from error
