import math

import pytest

from overseen.models import ModelAnswer, TokenProbability, value_confidence, value_confidences


def answer(text: str, *tokens: tuple[str, float]) -> ModelAnswer:
    return ModelAnswer(
        text=text,
        route="r",
        model="m",
        input_tokens=1,
        output_tokens=1,
        tokens=tuple(TokenProbability(token=token, logprob=math.log(probability)) for token, probability in tokens),
    )


def test_the_least_likely_token_of_a_value_counts() -> None:
    spelled = answer('{"a":"CAR-22"}', ('{"a":"', 0.1), ("CAR", 0.9), ("-", 0.8), ("22", 0.95), ('"}', 0.2))
    assert value_confidence(spelled, "a") == pytest.approx(0.8)


def test_a_token_that_only_touches_the_value_counts() -> None:
    spelled = answer('{"a":"22"}', ('{"a":"2', 0.3), ('2"}', 0.9))
    assert value_confidence(spelled, "a") == pytest.approx(0.3)


def test_a_code_fence_that_only_the_tokens_hold_is_skipped() -> None:
    spelled = answer('{"a":1}', ("```json\n", 0.1), ('{"a":', 0.2), ("1", 0.7), ("}", 0.2), ("\n```", 0.1))
    assert value_confidence(spelled, "a") == pytest.approx(0.7)


def test_the_key_is_found_where_it_stands_not_where_its_text_appears_first() -> None:
    spelled = answer('{"x":"b","b":"b"}', ('{"x":"', 1), ("b", 0.2), ('","b":"', 1), ("b", 0.6), ('"}', 1))
    assert value_confidence(spelled, "b") == pytest.approx(0.6)


def test_nested_values_are_reached_by_path() -> None:
    spelled = answer('{"items":[{"n":"x"},{"n":"y"}]}', ('{"items":[{"n":"x"},{"n":"', 1), ("y", 0.4), ('"}]}', 1))
    assert value_confidence(spelled, ("items", 1, "n")) == pytest.approx(0.4)


def test_values_that_are_not_strings_have_a_confidence() -> None:
    spelled = answer('{"a":true,"b":null}', ('{"a":', 1), ("true", 0.5), (',"b":', 1), ("null", 0.25), ("}", 1))
    assert value_confidences(spelled) == {"a": pytest.approx(0.5), "b": pytest.approx(0.25)}


def test_an_empty_string_is_judged_by_the_token_that_closed_it() -> None:
    spelled = answer('{"a":""}', ('{"a":"', 1), ('"}', 0.35))
    assert value_confidence(spelled, "a") == pytest.approx(0.35)


def test_no_probabilities_give_no_confidence() -> None:
    assert value_confidence(answer('{"a":1}'), "a") is None


def test_a_missing_value_has_no_confidence() -> None:
    assert value_confidence(answer('{"a":1}', ('{"a":1}', 0.5)), "b") is None


def test_tokens_that_do_not_spell_the_text_give_no_confidence() -> None:
    assert value_confidence(answer('{"a":1}', ('{"a":2}', 0.5)), "a") is None


def test_text_that_is_not_json_has_no_confidence() -> None:
    assert value_confidence(answer('{"a":', ('{"a":', 0.5)), "a") is None
    assert value_confidences(answer('{"a":', ('{"a":', 0.5))) == {}
