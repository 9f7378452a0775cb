"""Which tools there are, and what is said when one cannot be had."""

from importlib.metadata import EntryPoint

import pytest

from overseen.domain.calls import Effect
from overseen.errors import Misconfigured, NotFound
from overseen.tools.registry import ToolRegistry, load_registry, specs_by_entry_point
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.types import tool
from tests.tool_doubles import NoteArguments, NoteResult, spec

BUILT_IN = {
    "read_document",
    "inspect_image",
    "find_duplicate_photos",
    "look_up_policy",
    "search_policy_wording",
    "list_prior_claims",
    "register_claim",
    "pay_settlement",
    "write_to_claimant",
}


@tool(effect=Effect.READ, arguments=NoteArguments, result=NoteResult, profile=SandboxProfile())
def declared(arguments: dict[str, object], context: object) -> dict[str, object]:
    """Counts the characters of a note."""
    return {"length": 0}


def entry(name: str, value: str) -> ToolRegistry:
    return ToolRegistry(factories=specs_by_entry_point([EntryPoint(name=name, value=value, group="overseen")]))


def test_the_built_in_tools_are_there() -> None:
    assert load_registry().names >= BUILT_IN


def test_every_built_in_entry_can_be_imported_and_called() -> None:
    import importlib

    for found in load_registry().all():
        module, _, function = found.entry.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_a_declared_function_becomes_a_tool_of_its_name() -> None:
    found = entry("tool.declared", f"{__name__}:declared").get("declared")
    assert (found.description, found.entry) == ("Counts the characters of a note.", f"{__name__}:declared")


def test_entry_points_of_other_kinds_are_left_alone() -> None:
    assert entry("check.spelling", "nowhere:nothing").names == frozenset()


def test_a_missing_package_is_named() -> None:
    with pytest.raises(Misconfigured, match="no_such_package is missing"):
        entry("tool.weather", "no_such_package.weather:spec").get("weather")


def test_a_missing_attribute_is_named() -> None:
    with pytest.raises(Misconfigured, match="does not exist"):
        entry("tool.weather", f"{__name__}:weather").get("weather")


def test_something_that_is_no_tool_is_said_to_be_none() -> None:
    with pytest.raises(Misconfigured, match="is not a tool"):
        entry("tool.weather", "json:dumps").get("weather")


def test_a_broken_tool_of_another_package_stops_nobody_else() -> None:
    registry = ToolRegistry(
        [spec()], factories=specs_by_entry_point([EntryPoint(name="tool.x", value="no_such:y", group="overseen")])
    )
    assert registry.get("note").name == "note"


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match="two tools named note"):
        ToolRegistry([spec(), spec()])


def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="note"):
        ToolRegistry([spec()]).get("nope")
