"""An edit as a form sends it."""

import pytest

from overseen.api.cases import ArgumentView, CallProposal, edit_from_fields
from overseen.errors import InvalidInput


def call(tool: str = "pay", **arguments: object) -> CallProposal:
    return CallProposal(
        tool=tool,
        digest="d",
        arguments=tuple(ArgumentView(name=n, value=v, fact=None, fact_name=None) for n, v in arguments.items()),
    )


def test_a_changed_value_is_sent_with_all_the_others() -> None:
    edit = edit_from_fields([call(amount="10.00", payee="Dana")], {"call-0.amount": "9.00", "call-0.payee": "Dana"})
    assert edit == {"calls": [{"tool": "pay", "arguments": {"amount": "9.00", "payee": "Dana"}}]}


def test_a_value_that_is_no_text_keeps_its_type() -> None:
    edit = edit_from_fields([call(photos=["a.png", "b.png"])], {"call-0.photos": '["a.png"]'})
    assert edit["calls"][0]["arguments"]["photos"] == ["a.png"]


def test_a_call_can_be_left_out() -> None:
    edit = edit_from_fields([call(a="1"), call("write", b="2")], {"call-1.skip": "1"})
    assert [item["arguments"] for item in edit["calls"]] == [{"a": "1"}]


def test_an_edit_that_changes_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        edit_from_fields([call(body="two\nlines")], {"call-0.body": "two\r\nlines"})


def test_a_value_written_wrongly_is_named() -> None:
    with pytest.raises(InvalidInput, match="photos must be written like"):
        edit_from_fields([call(photos=["a.png"])], {"call-0.photos": "[a.png"})


def test_what_was_typed_beside_a_changed_amount_is_put_into_the_calls_that_follow_from_it() -> None:
    shown = [call(amount="10.00", payee="Dana"), call("write", body="We pay 10.00.")]
    follow = [
        {"tool": "pay", "arguments": {"amount": "9.00", "payee": "Dana"}},
        {"tool": "write", "arguments": {"body": "We pay 9.00."}},
    ]
    fields = {"amount": "9.00", "call-0.payee": "Kim", "call-1.body": "We pay 10.00."}
    edit = edit_from_fields(shown, fields, follow)
    assert [item["arguments"] for item in edit["calls"]] == [
        {"amount": "9.00", "payee": "Kim"},
        {"body": "We pay 9.00."},
    ]
