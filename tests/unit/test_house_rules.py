"""Rules of the house that are code, not prose."""

import ast
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from overseen.cli.application import _ROOMS, app

PACKAGE = Path(__file__).parents[2] / "overseen"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)

MOST_LINES = 600
MOST_FUNCTION_LINES = 80


def modules_imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def importers_of(library: str) -> set[str]:
    return {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in SOURCES
        if library in modules_imported(ast.parse(path.read_text()))
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_or_function_grows_beyond_what_one_dares_to_touch(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MOST_FUNCTION_LINES, node.name


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("dbos", {"engine"}),
        ("hvac", {"secrets", "stack"}),
        ("litellm", {"models"}),
        ("guardrails", {"guardrails"}),
        ("langgraph", {"graphs", "engine"}),
        ("fastapi", {"web", "api", "server"}),
        ("prompty", {"prompts"}),
        ("zen", {"supervisor", "playbooks"}),
        ("e2b", {"tools", "testing"}),
    ],
)
def test_each_library_is_known_to_one_room_only(library: str, rooms: set[str]) -> None:
    assert importers_of(library) <= rooms


def test_the_workflow_library_is_only_had_with_its_pickles_taken_out() -> None:
    users = {path.stem for path in SOURCES if "dbos" in modules_imported(ast.parse(path.read_text()))}
    assert users == {"workflow_library"}


@pytest.mark.parametrize("library", ["pickle", "marshal", "shelve", "dill", "cloudpickle"])
def test_nothing_that_runs_code_when_it_is_read_is_imported(library: str) -> None:
    assert importers_of(library) == set()


def test_a_node_that_interrupts_does_nothing_else() -> None:
    """Such a node runs again from its first line when it is answered."""
    for path in (PACKAGE / "graphs").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            names = {
                call.func.id
                for call in ast.walk(node)
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
            }
            if "interrupt" in names:
                awaited = [child for child in ast.walk(node) if isinstance(child, ast.Await)]
                assert not awaited, f"{path.name}:{node.name} awaits something beside its interrupt"


def test_nothing_outside_tests_uses_the_doubles() -> None:
    users = {
        path.relative_to(PACKAGE)
        for path in SOURCES
        if "overseen.testing" in path.read_text() and path.relative_to(PACKAGE).parts[0] != "testing"
    }
    assert not users


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None, name
        assert inner.name == name
        yield from commands(inner, (*words, name))


def test_every_command_and_all_it_takes_are_explained() -> None:
    silent = {
        f"{words} {parameter.name}"
        for words, command in commands(typer.main.get_command(app))
        for parameter in command.params
        if not command.help or not getattr(parameter, "help", None)
    }
    assert silent == set()


def test_every_file_of_commands_is_reachable() -> None:
    rooms = {path.stem for path in (PACKAGE / "cli").glob("*.py") if "app = typer.Typer(" in path.read_text()}
    part_of_leases = {"stops"}
    assert rooms - part_of_leases - {"application"} == set(_ROOMS.values())
