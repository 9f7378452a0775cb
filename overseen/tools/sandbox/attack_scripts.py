"""What hostile code tries. Break-ins leave in `result` what they won; bombs name the limit that has to end them."""

import platform
from typing import Any

_SYSTEM_CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
ctypes.set_errno(0)
answer = libc.syscall({number}, {arguments})
result = [] if answer == -1 and ctypes.get_errno() in (1, 38) else [answer, ctypes.get_errno()]
"""
# Number on x86_64, on aarch64, and arguments that would do something where the call is allowed.
_SYSTEM_CALLS = {
    "mount": (165, 40, "b'none', b'/work', b'tmpfs', 0, 0"),
    "new user namespace": (272, 97, "0x10000000"),
    "new mount namespace": (272, 97, "0x00020000"),
    "ptrace": (101, 117, "0, 0, 0, 0"),
    "reading another process's memory": (310, 270, "1, 0, 0, 0, 0, 0"),
    "kernel keyring": (250, 219, "0, -3, 1"),
    "bpf": (321, 280, "0, 0, 0"),
    "io_uring": (425, 425, "1, ctypes.create_string_buffer(256)"),
    "userfaultfd": (323, 282, "1"),
    "performance counters": (298, 241, "ctypes.create_string_buffer(128), 0, -1, -1, 0"),
    "file handles": (304, 265, "-100, ctypes.create_string_buffer(128), 0"),
    "loading a kernel module": (313, 273, "-1, b'', 0"),
    "memory outside of limits (memfd)": (319, 279, "b'x', 0"),
    "memory outside of limits (shared segment)": (29, 194, "0, 65536, 0o1600"),
    "taking a descriptor of another process": (438, 438, "0, 0, 0"),
}


def _system_calls() -> dict[str, str]:
    index = 1 if platform.machine() == "aarch64" else 0
    return {name: _SYSTEM_CALL.format(number=row[index], arguments=row[2]) for name, row in _SYSTEM_CALLS.items()}


BREAK_INS: dict[str, str] = {
    "network of every family": """
import socket
result = []
for family in range(64):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        if family != socket.AF_UNIX:
            try: socket.socket(family, kind).close(); result.append([family, int(kind)])
            except OSError: pass
""",
    "a server of the host": """
import socket
result = []
try: socket.create_connection(("127.0.0.1", arguments["port"]), 2); result.append("connected")
except OSError: pass
""",
    "an abstract socket of the host": """
import socket
result = []
try: socket.socket(socket.AF_UNIX).connect("\\0" + arguments["abstract_socket"]); result.append("connected")
except OSError: pass
""",
    "host files": """
import os
result = [path for path in arguments["files"] if os.path.lexists(path)]
""",
    "host files through /proc": """
import os
result = []
for pid in os.listdir("/proc"):
    for name in ("root/etc/shadow", "cwd/../etc/shadow", "root/root", "root/home"):
        if pid.isdigit() and os.path.exists(f"/proc/{pid}/{name}"): result.append(f"{pid}/{name}")
""",
    "environment of the host": """
import os
seen = str(dict(os.environ))
for pid in os.listdir("/proc"):
    if pid.isdigit():
        try: seen += open(f"/proc/{pid}/environ").read()
        except OSError: pass
result = [name for name in ("OVERSEEN_ATTACK_SECRET", arguments["secret"]) if name in seen]
""",
    "other processes": """
import os
result = [name for name in os.listdir("/proc") if name.isdigit()][2:]
""",
    "a signal to the host": """
import os
result = []
try: os.kill(arguments["pid"], 0); result.append("reached")
except OSError: pass
""",
    "writing kernel settings": """
import os
result = []
for folder, _, names in os.walk("/proc/sys"):
    for name in names:
        try: os.close(os.open(f"{folder}/{name}", os.O_WRONLY)); result.append(f"{folder}/{name}")
        except OSError: pass
""",
    "kernel and device files": """
import os
result = []
for path in ("/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda",
             "/dev/kvm", "/dev/fuse", "/dev/loop0"):
    # The one of gVisor's own kernel leads nowhere outside of it.
    if path == "/dev/fuse" and os.path.exists("/proc/sentry-meminfo"): continue
    try: os.close(os.open(path, os.O_RDWR)); result.append(path)
    except OSError: pass
""",
    "writing outside of the scratch folder": """
import os
result = []
for folder in ("/", "/usr", "/usr/bin", "/overseen", "/overseen/code", "/overseen/packages", "/doors", "/dev"):
    try: open(folder + "/x", "w").close(); result.append(folder)
    except OSError: pass
""",
    "privileges and setuid programs": """
import ctypes, os, stat
status = dict(l.split(":\\t", 1) for l in open("/proc/self/status").read().splitlines() if ":\\t" in l)
result = [name for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status.get(name, "0"), 16)]
if ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) != 1: result.append("privileges can be gained")
own_kernel = os.path.exists("/proc/sentry-meminfo")  # gVisor does not show this flag
if not own_kernel and not os.statvfs("/usr").f_flag & os.ST_NOSUID: result.append("setuid programs work")
""",
    "becoming root": """
import os
result = []
for attempt in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0), lambda: os.chroot("/work")):
    try: attempt(); result.append("done")
    except OSError: pass
""",
    "lifting its own limits": """
import resource
result = []
for name in ("AS", "CPU", "FSIZE", "NPROC", "NOFILE", "CORE", "MEMLOCK"):
    limit = getattr(resource, "RLIMIT_" + name)
    if resource.getrlimit(limit)[1] == resource.RLIM_INFINITY: result.append(name + " is unlimited")
    try: resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)); result.append(name)
    except (OSError, ValueError): pass
""",
    **_system_calls(),
}
"""Name to script; every one has to end with an empty list."""

_COLLECT = "context.collect_file('out', '/work/out')"

BOMBS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "fork bomb": (
        "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
        {"processes": 12, "wall_seconds": 2.0},
        ("wall_seconds", "cpu_seconds", "processes"),
    ),
    "any process at all": ("import os; os.fork(); result = ['forked']", {}, ("PermissionError",)),
    "threads without end": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(30,), daemon=True).start()",
        {"threads": 32},
        ("processes", "memory_bytes"),
    ),
    "memory of one process": ("x = []\nwhile True: x.append(bytearray(b'1' * (4 << 20)))", {}, ("memory_bytes",)),
    "memory of many processes": (
        "import os, time\n"
        "for _ in range(8):\n"
        "  if os.fork() == 0: x = bytearray(b'1' * (50 << 20)); time.sleep(1); os._exit(0)\n"
        "statuses = [os.wait()[1] for _ in range(8)]\n"
        "result = [] if 9 in statuses else statuses",
        {"processes": 16, "memory_bytes": 160 << 20},
        ("memory_bytes", "nothing won"),
    ),
    "disk": (
        "import itertools\nfor n in itertools.count(): open(f'/work/{n}', 'wb').write(b'1' * (1 << 20))",
        {},
        ("scratch_bytes",),
    ),
    "output": ("while True: print('x' * 10000)", {"output_bytes": 1 << 20}, ("output_bytes",)),
    "time": ("import time; time.sleep(60)", {"wall_seconds": 1.0}, ("wall_seconds",)),
    "cpu": ("while True: pass", {"cpu_seconds": 1.0}, ("cpu_seconds",)),
    "huge result": ("result = 'x' * (3 << 20)", {"output_bytes": 1 << 20}, ("output_bytes",)),
    "nested result": (
        "result = None\nfor _ in range(200000): result = [result]",
        {},
        ("RecursionError", "output_bytes", "the header is malformed (RecursionError)"),
    ),
    "symbolic link as result": (
        f"import os; os.symlink('/etc/shadow', '/work/out'); {_COLLECT}; result = ['taken']",
        {},
        ("not_regular",),
    ),
    "pipe as result": (f"import os; os.mkfifo('/work/out'); {_COLLECT}; result = ['taken']", {}, ("not_regular",)),
    "sparse file as result": (
        f"open('/work/out', 'wb').truncate(3 << 20); {_COLLECT}; result = ['taken']",
        {"output_bytes": 1 << 20},
        ("output_bytes",),
    ),
    "zip bomb as result": (
        "import io, zipfile\n"
        "stream = io.BytesIO()\n"
        "with zipfile.ZipFile(stream, 'w', zipfile.ZIP_DEFLATED) as bomb: bomb.writestr('zeros', bytes(64 << 20))\n"
        "context.write_file('bomb.zip', stream.getvalue()); result = []",
        {"output_bytes": 1 << 20, "memory_bytes": 512 << 20},
        ("nothing won",),
    ),
    "forged result with a path as name": (
        "import os\n"
        'frame = b\'{"value":[],"files":[["../../x",1]]}\'\n'
        "for n in range(3, 40):\n"
        "  try: os.write(n, len(frame).to_bytes(8, 'little') + frame + b'x')\n"
        "  except OSError: pass\n"
        "os._exit(0)",
        {},
        ("a file has a name that is not allowed",),
    ),
}
"""Name to script, limits of its profile, and what may end it: a limit, an error, or coming back with nothing won."""

DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execv("/bin/sleep", ["MARKER", "300"])
    os._exit(0)
os.wait()
result = []
"""

LEAVE_FILES = """
import time
for folder in ("/work", "/tmp", "/dev/shm"):
    open(folder + "/left-behind", "w").write(arguments["secret"])
time.sleep(1)
result = []
"""

READ_FILES = """
import os
result = [folder for folder in ("/work", "/tmp", "/dev/shm") if os.path.exists(folder + "/left-behind")]
"""
