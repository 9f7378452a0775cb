"""Entries that run a Python script written by somebody else: the heart of the tools `python` and `compute`.

Standard library only; loaded inside the sandbox. The script sees `arguments`, `context` (a ToolContext) and
`ToolError`, and leaves its answer, JSON types only, in `result`.
"""

from __future__ import annotations

import json

from overseen.tools.sandbox.context import ToolContext, ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

_NAME = "<script>"
_MOST_PRINTED = 4096
_MOST_MESSAGE = 500


def run(arguments: dict[str, Any], context: ToolContext) -> Any:
    """Execute `arguments["code"]` with `arguments["arguments"]`; returns what it left in `result`, or None."""
    return _execute(arguments, context)


def answer(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Like `run`, for whoever wrote the script: what it left, printed (the end of it) or raised, with the line.

    {"result": ..., "error": None or {"type", "message", "line"}, "printed": "..."}; files count only without an error.
    """
    import contextlib

    printed = _Printed()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            result = _execute(arguments, context)
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever a script raises is its answer
        context.outputs.clear()
        return {"result": None, "error": _described(error), "printed": _clean(printed.tail)}
    return {"result": result, "error": None, "printed": _clean(printed.tail)}


def _execute(arguments: dict[str, Any], context: ToolContext) -> Any:
    names: dict[str, Any] = {
        "__name__": "__script__",
        "arguments": arguments.get("arguments", {}),
        "context": context,
        "ToolError": ToolError,
        "result": None,
    }
    exec(compile(arguments["code"], _NAME, "exec"), names)  # noqa: S102 - this is the sandbox the code is for
    return names["result"]


class _Printed:
    """Stands in for stdout: keeps the end of what is printed."""

    def __init__(self) -> None:
        self.tail = ""

    def write(self, text: str) -> int:
        self.tail = (self.tail + text)[-_MOST_PRINTED:]
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def _described(error: BaseException) -> dict[str, Any]:
    """The script's own error and where in the script it came about; nothing of the code around it."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == _NAME else _line(error.__traceback__)
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return {"type": type(error).__name__, "message": _clean(message[:_MOST_MESSAGE]), "line": line}


def _clean(text: str) -> str:
    """Text that can be sent: lone surrogates cannot."""
    return text.encode("utf-8", "replace").decode()


def _line(traceback: TracebackType | None) -> int | None:
    found: int | None = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _NAME:
            found = traceback.tb_lineno
        traceback = traceback.tb_next
    return found
