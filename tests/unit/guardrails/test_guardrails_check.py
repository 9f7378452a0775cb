"""guardrails-ai behind the Check port."""

from typing import Any

import pytest

from overseen.domain.findings import Verdict
from overseen.errors import NotFound
from overseen.guardrails import JUDGES, CheckSuite, GuardrailsCheck, Subject, standard_suite
from overseen.guardrails.guardrails_ai import validator_base

SUITE = standard_suite()
base = validator_base()


@base.register_validator(name="tests/no_shouting", data_type="string")
class NoShouting(base.Validator):  # type: ignore[misc]
    """What a third party might bring."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> Any:
        if value.isupper():
            return base.FailResult(error_message="It shouts.", fix_value=value.lower())
        return base.PassResult()


@base.register_validator(name="tests/broken", data_type="string")
class Broken(base.Validator):  # type: ignore[misc]
    """One that cannot do its work."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> Any:
        raise ValueError("no dictionary")


async def test_every_standard_check_answers_through_guardrails_ai() -> None:
    assert set(SUITE.names) == set(JUDGES)
    subject = Subject(name="letter", text="the token is hvs.CAESIJ5vVdKq0example0token0of0vault")
    finding = await SUITE.inspect("secrets_in_output", subject)
    assert (finding.check, finding.verdict, finding.subject) == ("secrets_in_output", Verdict.BLOCK, "letter")
    assert finding.evidence == {"kinds": ["vault token"]}


async def test_any_validator_can_be_a_check() -> None:
    check = GuardrailsCheck("no_shouting", NoShouting, on_fail=Verdict.FLAG)
    loud = await check.inspect(Subject(name="message", text="PAY NOW"))
    assert (loud.verdict, loud.message) == (Verdict.FLAG, "It shouts.")
    assert (await check.inspect(Subject(name="message", text="Please pay"))).verdict is Verdict.PASS


async def test_a_validator_that_breaks_abstains() -> None:
    finding = await GuardrailsCheck("broken", Broken).inspect(Subject(name="message", text="x"))
    assert (finding.verdict, finding.evidence) == (Verdict.ABSTAIN, {"error": "ValueError"})


async def test_an_installation_can_replace_a_check() -> None:
    suite = CheckSuite([GuardrailsCheck("schema", Broken), GuardrailsCheck("schema", NoShouting)])
    assert (await suite.inspect("schema", Subject(name="x", text="quiet"))).verdict is Verdict.PASS


async def test_an_unknown_check_is_not_found() -> None:
    with pytest.raises(NotFound, match="no check named weather"):
        await SUITE.inspect("weather", Subject(name="x", text=""))


def test_nothing_phones_home() -> None:
    from guardrails import Guard
    from guardrails.settings import settings

    Guard().use(NoShouting(on_fail="noop"))
    assert settings.rc.enable_metrics is False
