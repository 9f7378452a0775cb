import json

import pytest

from overseen.tracing.masking import CONTENT_LIMIT, masked, masked_json, without_secrets


@pytest.mark.parametrize(
    "secret",
    [
        "hvs.CAESIJlWh3k2mN0pQrStUvWx",
        "s.aBcDeFgHiJkLmNoPqRsTuVwX",
        "sk-proj-abcdefghijklmnop",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz012345",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "claims_user:hunter22",
    ],
)
def test_credentials_are_blacked_out(secret: str) -> None:
    text = without_secrets(f"postgresql://{secret}@host/db" if ":" in secret else f"use {secret} now")
    assert secret not in text
    assert "[secret]" in text


@pytest.mark.parametrize("written", ['password: "hunter22"', "api_key=abcd1234", '"token": "abcd1234"'])
def test_values_named_as_secrets_are_blacked_out(written: str) -> None:
    assert "hunter22" not in without_secrets(written)
    assert "abcd1234" not in without_secrets(written)


@pytest.mark.parametrize(
    "personal",
    ["jane.miller@example.org", "GB29 NWBK 6016 1331 9268 19", "4111 1111 1111 1111", "+44 131 496 0000"],
)
def test_personal_data_is_blacked_out(personal: str) -> None:
    assert personal not in masked(f"Write to {personal}, please.")


@pytest.mark.parametrize("plain", ["CAR-2214-KL", "2026-11-03", "642.50", "run_0d3k9v7t2m4qy8b1"])
def test_ids_dates_and_amounts_stay(plain: str) -> None:
    assert masked(f"About {plain} again.") == f"About {plain} again."


def test_long_content_is_cut() -> None:
    assert len(masked_json("a b " * CONTENT_LIMIT)) < CONTENT_LIMIT + 50


def test_values_become_json() -> None:
    assert json.loads(masked_json({"a": ("b", 1)})) == {"a": ["b", 1]}
