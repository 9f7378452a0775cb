"""The answer is no unless the playbook, the tool and the locked plan all say yes."""

from pydantic import ValidationError

from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.canonical import canonical_json
from overseen.tools.errors import ToolRefused
from overseen.tools.gateway.ports import PlanLock, RunRules, StopSwitch
from overseen.tools.registry import ToolRegistry
from overseen.tools.types import ToolPort, ToolSpec


class PolicedCalls:
    """Lets a call through when its tool exists, nothing is stopped, its agent may use the tool, the plan holds it and
    its arguments are what the tool takes."""

    def __init__(
        self, inner: ToolPort, *, registry: ToolRegistry, rules: RunRules, plan_lock: PlanLock, stop_switch: StopSwitch
    ) -> None:
        self._inner = inner
        self._registry = registry
        self._rules = rules
        self._plan_lock = plan_lock
        self._stop_switch = stop_switch

    async def call(self, call: ToolCall) -> CallResult:
        """See ToolPort."""
        stopped = await self._stop_switch.stopped(call)
        if stopped is not None:
            raise ToolRefused(stopped, rule="stopped", next_step="An operator can say why it was stopped.")
        if call.tool not in self._registry.names:
            raise ToolRefused(
                "There is no tool of that name.", rule="policy", next_step="Correct the playbook or plan."
            )
        if call.tool not in await self._rules.tools_of(call.run_id, call.agent):
            raise ToolRefused(
                f"The playbook does not let {call.agent} call {call.tool}.",
                rule="policy",
                next_step="If it should, add the tool to the agent in the playbook.",
            )
        if not await self._plan_lock.permits(call):
            raise ToolRefused(
                f"The call of {call.tool} is outside the run's locked plan.",
                rule="plan_lock",
                next_step="A reviewer can look at the run and decide.",
            )
        check_arguments(self._registry.get(call.tool), call)
        return await self._inner.call(call)


def check_arguments(spec: ToolSpec, call: ToolCall) -> None:
    """Raises ToolRefused when the tool does not take these arguments. Nothing is converted: what was asked runs."""
    try:
        spec.arguments.model_validate_json(canonical_json(call.arguments), strict=True)
    except ValidationError as error:
        # Names and rules only: the values are content and have no place in a journal message.
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['type'].replace('_', ' ')}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise ToolRefused(
            f"{call.tool} cannot be called like this ({problems}).",
            rule="policy",
            next_step="Correct the arguments; the tool's argument model says what it takes.",
        ) from error
    handed_in = {file.name for file in call.files}
    for argument in spec.file_arguments:
        if argument in call.arguments and call.arguments[argument] not in handed_in:
            raise ToolRefused(
                f"{call.tool} was given no file for its argument {argument}.",
                rule="policy",
                next_step="Hand the file in with the call.",
            )
