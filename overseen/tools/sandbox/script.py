"""An entry that runs a Python script written by somebody else: the heart of the `python` tool.

Standard library only; loaded inside the sandbox. The script sees `arguments`, `context` (a ToolContext) and
`ToolError`, and leaves its answer, JSON types only, in `result`.
"""

from __future__ import annotations

from overseen.tools.sandbox.context import ToolContext, ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(arguments: dict[str, Any], context: ToolContext) -> Any:
    """Execute `arguments["code"]` with `arguments["arguments"]`; returns what it left in `result`, or None."""
    names: dict[str, Any] = {
        "__name__": "__script__",
        "arguments": arguments.get("arguments", {}),
        "context": context,
        "ToolError": ToolError,
        "result": None,
    }
    exec(compile(arguments["code"], "<script>", "exec"), names)  # noqa: S102 - this is the sandbox the code is for
    return names["result"]
