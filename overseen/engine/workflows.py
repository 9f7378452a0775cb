"""The durable side: two workflows whose bodies are each exactly one step.

Nothing below a step may use the workflow library: a step called inside a graph node can silently be given another
step's result after a recovery. tests/unit/test_house_rules.py checks that only this folder imports it.
"""

from typing import Any, Protocol

from overseen.domain.commands import Command
from overseen.engine.queue import ADVANCE, ANSWER
from overseen.engine.workflow_library import DBOS

_MOST_RECOVERIES = 100
"""After so many dead workers on the same piece of work it is parked for an operator instead of killing another."""


class Advances(Protocol):
    """Advances runs."""

    async def advance(self, command: Command) -> str:
        """Carry out `command`; returns the run's state."""
        ...


class Answers(Protocol):
    """Answers questions of the chat."""

    async def answer(self, task_id: str, message_id: str) -> str:
        """Answer one question; returns the answer's message id."""
        ...


class _Installed:
    """The worker's services; workflows are module-level functions by the library's design, so they find them here."""

    advances: Advances | None = None
    answers: Answers | None = None


def install(advances: Advances, answers: Answers) -> None:
    """Give the workflows of this process their services; before the worker takes any work."""
    _Installed.advances, _Installed.answers = advances, answers


@DBOS.step(name="advance_step", preemptible=True)
async def _advance_step(arguments: dict[str, Any]) -> str:
    if _Installed.advances is None:
        raise RuntimeError("the worker took work before its services were installed")
    return await _Installed.advances.advance(
        Command(run_id=arguments["run_id"], kind=arguments["kind"], subject_id=arguments.get("subject_id"))
    )


@DBOS.workflow(name=ADVANCE, max_recovery_attempts=_MOST_RECOVERIES)
async def advance(arguments: dict[str, Any]) -> str:
    """Advance one run; `arguments` are {run_id, kind, subject_id}."""
    return await _advance_step(arguments)


@DBOS.step(name="answer_step", preemptible=True)
async def _answer_step(arguments: dict[str, Any]) -> str:
    if _Installed.answers is None:
        raise RuntimeError("the worker took work before its services were installed")
    return await _Installed.answers.answer(arguments["task_id"], arguments["message_id"])


@DBOS.workflow(name=ANSWER, max_recovery_attempts=_MOST_RECOVERIES)
async def answer(arguments: dict[str, Any]) -> str:
    """Answer one question; `arguments` are {task_id, message_id}."""
    return await _answer_step(arguments)
