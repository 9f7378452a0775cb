"""Puts the syscall filter on itself and becomes the runner: for sandboxes whose launcher cannot do the first.

Started with `python -I -S`; standard library only. Arguments: the filter in base64, then what the runner is given.
"""

import base64
import ctypes
import os
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def main() -> None:
    """Ends with status 126 when the filter cannot be set: nothing of the tool has run then."""
    steps = base64.b64decode(sys.argv[1])
    program = _Program(len(steps) // 8, steps)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program)):
        os.write(2, f"the syscall filter cannot be set: {os.strerror(ctypes.get_errno())}\n".encode())
        os._exit(126)
    runner = f"{os.path.dirname(os.path.abspath(__file__))}/runner.py"  # noqa: PTH100, PTH120 - pathlib is slow
    os.execv(sys.executable, [sys.executable, "-I", "-S", runner, *sys.argv[2:]])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
