import pytest

from overseen.domain.findings import Verdict
from overseen.guardrails.check import Subject
from overseen.guardrails.outgoing import judge_others_personal_data, judge_secrets_in_output

OWN = ["Priya Raman", "priya.raman@example.com", "20-45-11 60317752", "CAR-2214-KL"]
LETTER = "Dear Priya Raman, we have settled claim CAR-2214-KL of 2026-10-14 and pay 492.80 GBP to 20-45-11 60317752."


def judged(text: str, *names: str) -> Verdict:
    return judge_others_personal_data(Subject(name="letter", text=text, context={"own": OWN, "names": names})).verdict


def test_a_letter_with_the_addressees_own_data_passes() -> None:
    assert judged(LETTER) is Verdict.PASS


@pytest.mark.parametrize(
    "other",
    [
        "Write to martin.kerr@example.org.",
        "His number is 07700 900123.",
        "Her number is +44 20 7946 0018.",
        "National Insurance QQ 12 34 56 C is not one, but AB 12 34 56 C is.",
        "The IBAN is GB29 NWBK 6016 1331 9268 19.",
        "The sort code is 99-12-04.",
        "The card was 4111 1111 1111 1111.",
        "The other car was YD18 NZG.",
    ],
)
def test_somebody_elses_data_is_refused(other: str) -> None:
    assert judged(f"{LETTER} {other}") is Verdict.BLOCK


def test_the_name_of_somebody_else_is_refused() -> None:
    assert judged(f"{LETTER} Martin Kerr saw it.", "Martin Kerr") is Verdict.BLOCK
    assert judged(LETTER, "Martin Kerr", "Priya Raman") is Verdict.PASS


@pytest.mark.parametrize(
    "secret",
    [
        "hvs.CAESIJ5vVdKq0example0token0of0vault",
        "-----BEGIN RSA PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJlMTIz",
        "password: hunter2-is-long",
        "postgresql://v-approle-insurer:Xk29dkq@127.0.0.1:5432/insurer",
    ],
)
def test_a_secret_is_refused_and_not_repeated(secret: str) -> None:
    judgement = judge_secrets_in_output(Subject(name="letter", text=f"{LETTER} {secret}"))
    assert judgement.verdict is Verdict.BLOCK
    assert secret not in str(judgement)


def test_a_secret_that_is_known_is_found_whatever_its_shape() -> None:
    subject = Subject(name="letter", text="the word is swordfish", context={"known": ["swordfish"]})
    assert judge_secrets_in_output(subject).verdict is Verdict.BLOCK


@pytest.mark.parametrize(
    "text", [LETTER, "Your password was not asked for.", "The token of our thanks: a card.", "s. 12 of the Act"]
)
def test_ordinary_letters_hold_no_secret(text: str) -> None:
    assert judge_secrets_in_output(Subject(name="letter", text=text)).verdict is Verdict.PASS
