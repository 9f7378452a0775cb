"""Any guardrails-ai validator as a Check."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from overseen.blocking import run_blocking
from overseen.domain.findings import Finding, Verdict
from overseen.guardrails.check import Subject
from overseen.guardrails.guardrails_ai import validator_base


class Validator(Protocol):
    """What is used of a guardrails-ai validator: `validate(value, metadata)` gives a PassResult or FailResult."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> Any:
        """The result; blocking."""
        ...


class GuardrailsCheck:
    """A guardrails-ai validator behind the Check port.

    `make` builds the validator; it runs once, off the event loop, after metrics are off. `on_fail` is the verdict of a
    failed validation whose result does not name one. The validator is asked directly, without a Guard: no re-asking, no
    fixing, no history that keeps raw text. What it would change is never used.
    """

    def __init__(self, name: str, make: Callable[[], Validator], on_fail: Verdict = Verdict.BLOCK) -> None:
        self.name = name
        self._make = make
        self._on_fail = on_fail
        self._validator: Validator | None = None
        self._building = asyncio.Lock()

    async def inspect(self, subject: Subject) -> Finding:
        """The validator's word as a finding; abstain when it raises, since it then did not look."""
        validator = await self._ready()
        # Context variables are lost inside validators, so everything goes in as metadata.
        metadata = {"subject": subject.name, **subject.context}
        try:
            result = await run_blocking(validator.validate, subject.text, metadata)
        except (ValueError, TypeError, KeyError, RuntimeError, OSError) as error:
            return Finding(
                check=self.name,
                verdict=Verdict.ABSTAIN,
                subject=subject.name,
                message="The check could not look at it.",
                evidence={"error": type(error).__name__},
            )
        return self._finding(subject, result)

    async def _ready(self) -> Validator:
        async with self._building:
            if self._validator is None:
                await run_blocking(validator_base)
                self._validator = await run_blocking(self._make)
            return self._validator

    def _finding(self, subject: Subject, result: Any) -> Finding:
        said: Mapping[str, Any] = getattr(result, "metadata", None) or {}
        failed = getattr(result, "outcome", None) != "pass"
        usual = self._on_fail if failed else Verdict.PASS
        message = said.get("message") or getattr(result, "error_message", None)
        return Finding(
            check=self.name,
            verdict=Verdict(said.get("verdict", usual)),
            subject=subject.name,
            message=str(message or ("The check failed." if failed else "Nothing found.")),
            evidence=dict(said.get("evidence") or {}),
        )
