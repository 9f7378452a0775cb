from collections.abc import Mapping

from overseen.domain.facts import Fact, Source, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import Outcome, Ruling
from overseen.domain.proposals import Proposal, ProposedCall
from overseen.guardrails import DecisionChecks, standard_suite

CHECKS = DecisionChecks(standard_suite())
RULING = Ruling(
    outcome=Outcome.ASK, amount=None, currency="GBP", sum_terms=(), reasons=("Something is missing.",), rules=("M1",)
)


def facts(**values: str) -> Mapping[str, Fact]:
    source = Source(kind="document", name="letter.txt")
    return {
        name: Fact(
            name=name, value=value, source=source, trust=Trust.DOCUMENT, confidence=1.0, step_id="1", fact_id=name
        )
        for name, value in values.items()
    }


def letter(body: str) -> Proposal:
    arguments = {"to_address": "priya.raman@example.com", "subject": "Your claim", "body": body}
    return Proposal(ruling=RULING, calls=(ProposedCall(tool="write_to_claimant", arguments=arguments),))


OWN = facts(policy_holder="Priya Raman", policy_holder_email="priya.raman@example.com")


async def verdicts(body: str, known: Mapping[str, Fact] = OWN) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in await CHECKS.inspect_proposal(letter(body), known)}


async def test_an_ordinary_letter_passes() -> None:
    assert set((await verdicts("Dear Priya Raman, please send a photo.")).values()) == {Verdict.PASS}


async def test_a_letter_with_somebody_elses_number_is_blocked() -> None:
    found = await verdicts("Dear Priya Raman, Mr Kerr can be reached at 07700 900123.")
    assert found["others_personal_data"] is Verdict.BLOCK


async def test_a_letter_that_names_a_claimant_who_is_not_the_holder_is_blocked() -> None:
    known = {**OWN, **facts(claimant_name="Martin Kerr")}
    assert (await verdicts("Dear Martin Kerr, we pay.", known))["others_personal_data"] is Verdict.BLOCK


async def test_a_secret_in_any_argument_is_blocked() -> None:
    found = await verdicts("The key is hvs.CAESIJ5vVdKq0example0token0of0vault.")
    assert found["secrets_in_output"] is Verdict.BLOCK


async def test_facts_of_different_steps_are_compared() -> None:
    known = facts(claimed_amount="742.80", estimate_total="900.00", policy_number="CAR-2214-KL", claim_kind="home")
    found = await CHECKS.inspect_facts(known, [])
    assert {finding.check: finding.verdict for finding in found} == {
        "amounts_consistent": Verdict.FLAG,
        "ids_consistent": Verdict.FLAG,
    }


async def test_what_a_step_has_compared_is_not_compared_again() -> None:
    done = [
        Finding(check=name, verdict=Verdict.PASS, subject="claim", message="They agree.")
        for name in ("amounts_consistent", "ids_consistent")
    ]
    assert await CHECKS.inspect_facts(facts(), done) == []


async def test_a_secret_deep_in_an_argument_is_blocked() -> None:
    arguments = {"photos": [{"name": "hvs.CAESIJ8xqkZ0f3l2m9K4Ab", "size": 3}]}
    proposal = Proposal(ruling=RULING, calls=(ProposedCall(tool="register_claim", arguments=arguments),))
    assert [finding.verdict for finding in await CHECKS.inspect_proposal(proposal, OWN)] == [Verdict.BLOCK]
