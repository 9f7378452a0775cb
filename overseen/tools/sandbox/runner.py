"""Runs one job inside the sandbox: reads the request on stdin, calls the entry, writes the result.

Started as a script with `python -I -S`; standard library only. Results leave on a descriptor saved away from stdout,
so whatever the tool prints goes to stderr and cannot be mistaken for a result. The host believes nothing that comes
from here: this file keeps honest tools tidy, the walls are outside.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

if __name__ == "__main__":
    sys.path[:0] = json.loads(sys.argv[1])["import_paths"]

from overseen.tools.sandbox.context import ToolContext, ToolError  # noqa: E402
from overseen.tools.sandbox.frames import PREFIX, decode_header, encode_frame  # noqa: E402

_MOST_DETAIL = 4096
_REHEARSED = 100
_REHEARSAL = """
class Rehearsal:
    def total(self, amounts):
        try:
            return sum(amount * 2 for amount in amounts if amount)
        except (TypeError, ValueError) as error:
            return str(error)
lines = [f"{number}: {number / 3:.2f}" for number in range(count)]
named = {line: {"amount": len(line)} for line in lines}
result = Rehearsal().total(len(line) for line in named), sorted(lines)[:3]
"""
_LIMIT_ERRNOS = {errno.ENOSPC: "scratch_bytes", errno.EDQUOT: "scratch_bytes", errno.EFBIG: "scratch_bytes"}


def _read_exactly(descriptor: int, size: int) -> bytes:
    pieces: list[bytes] = []
    while size:
        piece = os.read(descriptor, min(size, 1 << 20))
        if not piece:
            # The host closed the pipe: this worker was not needed after all.
            os._exit(0)
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _write_all(descriptor: int, pieces: list[bytes]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]


def _save_result_descriptor() -> int:
    saved = os.dup(1)
    os.dup2(2, 1)
    return saved


def _receive(inputs: str) -> dict[str, Any]:
    (length,) = PREFIX.unpack(_read_exactly(0, PREFIX.size))
    header, files = decode_header(_read_exactly(0, length))
    if files:
        os.mkdir(inputs)  # noqa: PTH102 - pathlib is not loaded for this
    for name, size in files:
        with open(f"{inputs}/{name}", "wb") as stream:  # noqa: PTH123
            stream.write(_read_exactly(0, size))
    # Nothing more is read from the host; code that reads stdin sees its end instead of waiting for ever.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return header


def _limit_cpu(seconds: float) -> None:
    """The job's share counts from here, not from the start of the interpreter."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + 1))


def _describe(error: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"type": type(error).__name__, "detail": str(error)[:_MOST_DETAIL]}
    if isinstance(error, ToolError):
        described["code"] = error.code
        if error.code == "output_bytes":
            described["limit"] = "output_bytes"
    elif isinstance(error, MemoryError):
        described["limit"] = "memory_bytes"
    elif isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN:
        described["limit"] = "processes"
    elif isinstance(error, OSError) and error.errno in _LIMIT_ERRNOS:
        described["limit"] = _LIMIT_ERRNOS[error.errno]
    elif isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        described["limit"] = "processes"
    return described


def _call(header: dict[str, Any], context: ToolContext) -> list[bytes]:
    module_name, _, function_name = header["entry"].partition(":")
    try:
        entry: Callable[[Any, ToolContext], Any] = getattr(importlib.import_module(module_name), function_name)
        return encode_frame({"value": entry(header["request"], context)}, context.outputs)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever a tool raises is its result
        import traceback

        traceback.print_exc()
        return encode_frame({"error": _describe(error)}, {})


def _warm_up(modules: list[str]) -> None:
    """Load what the job will need, and go once through what most jobs do.

    Memory and code that were touched once need no page faults later; on a virtual machine these take milliseconds.
    """
    for module_name in modules:
        importlib.import_module(module_name)
    header = {"entry": "", "request": {"numbers": list(range(_REHEARSED))}}
    decode_header(encode_frame(header, {})[1])
    exec(compile(_REHEARSAL, "<rehearsal>", "exec"), {"count": _REHEARSED})  # noqa: S102 - our own words


def main() -> None:
    """Warm up, wait for one job, run it, send what came of it, and end at once without running exit handlers."""
    options: dict[str, Any] = json.loads(sys.argv[1])
    results = _save_result_descriptor()
    if options["tasks"]:
        # Counted inside this user namespace, where only this job's processes live.
        resource.setrlimit(resource.RLIMIT_NPROC, (options["tasks"], options["tasks"]))
    # From here on whatever goes wrong is not the sandbox's failure to start.
    _write_all(results, encode_frame({"started": True}, {}))
    for folder in options.get("make", ()):
        os.mkdir(folder)  # noqa: PTH102 - pathlib is not loaded for this
    if options["announce"]:
        _warm_up(options["warm_imports"])
        _write_all(results, encode_frame({"ready": True}, {}))
    inputs = f"{options['work']}/inputs"
    header = _receive(inputs)
    _limit_cpu(header["cpu_seconds"])
    context = ToolContext(inputs=inputs, doors=options["doors"], output_bytes=header["output_bytes"])
    pieces = _call(header, context)
    sys.stdout.flush()
    sys.stderr.flush()
    _write_all(results, pieces)
    os._exit(0)


if __name__ == "__main__":
    main()
