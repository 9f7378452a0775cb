"""A secret is never seen by accident."""

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable

import pytest

from overseen.secrets.secret import DatabaseCredential, Secret, SecretValue

TEXT = "s3cr3t-text"
CREDENTIAL = DatabaseCredential(username="t-1", password=Secret(TEXT), host="127.0.0.1", port=5432, database="insurer")


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{!r:>40}".format], ids=["repr", "str", "format", "padded"])
def test_it_prints_as_stars(shown: Callable[[object], str]) -> None:
    assert TEXT not in shown(Secret(TEXT))
    assert TEXT not in shown(CREDENTIAL)


def test_reveal_gives_it() -> None:
    assert Secret(TEXT).reveal() == TEXT


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_does_not_pickle(protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TEXT), protocol)
    with pytest.raises(TypeError):
        pickle.dumps(CREDENTIAL, protocol)


def test_copies_are_the_secret_itself() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret
    assert dataclasses.asdict(CREDENTIAL)["password"] is CREDENTIAL.password


def test_it_does_not_become_json() -> None:
    with pytest.raises(TypeError):
        json.dumps(dataclasses.asdict(CREDENTIAL))


def test_it_has_no_dictionary_to_look_into() -> None:
    with pytest.raises(TypeError):
        vars(Secret(TEXT))


def test_equal_texts_are_equal_secrets() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("another")
    assert Secret(TEXT) != TEXT


def test_values_of_a_secret_are_not_printed() -> None:
    assert TEXT not in repr(SecretValue(values={"api_key": Secret(TEXT)}))
