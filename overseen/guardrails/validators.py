"""Our own checks as guardrails-ai validators: usable in any Guard as `overseen/<name>`."""

from typing import Any

from overseen.domain.findings import Verdict
from overseen.guardrails.check import Judge, Subject
from overseen.guardrails.guardrails_ai import validator_base
from overseen.guardrails.guardrails_check import Validator


def make_validator(name: str, judge: Judge) -> Validator:
    """A registered guardrails-ai validator around `judge`. Blocking: the first one imports guardrails-ai.

    Its metadata are the subject's context; verdict, message and evidence travel in the result's metadata, and anything
    but pass is a FailResult. With on_fail=noop a Guard that holds it never raises.
    """
    base = validator_base()

    class JudgeValidator(base.Validator):  # type: ignore[name-defined,misc]
        """Asks the judge."""

        def validate(self, value: Any, metadata: dict[str, Any]) -> Any:
            """PassResult or FailResult."""
            subject = Subject(name=str(metadata.get("subject", "")), text=str(value), context=metadata)
            judgement = judge(subject)
            said = {
                "verdict": judgement.verdict.value,
                "message": judgement.message,
                "evidence": dict(judgement.evidence),
            }
            if judgement.verdict is Verdict.PASS:
                return base.PassResult(metadata=said)
            return base.FailResult(error_message=judgement.message, metadata=said)

    registered = base.register_validator(name=f"overseen/{name}", data_type="string")(JudgeValidator)
    return registered(on_fail="noop")
