"""The process that serves the local model: llama.cpp's OpenAI-compatible server, on loopback, behind a key.

Started as `python -m overseen.stack.model_server FOLDER`; reads FOLDER/server.json, so that no secret is in its command
line or environment.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel, ConfigDict, SecretStr


class ModelServerSettings(BaseModel):
    """What FOLDER/server.json holds.

    weights: the GGUF file. name: what requests call the model. slots: requests worked on at once, each with
    `slot_tokens` of context. threads: how many compute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Path
    name: str
    port: int
    api_key: SecretStr
    slots: int
    slot_tokens: int
    threads: int


_NICE = 2
"""Enough for pages and databases to come first; more would starve the model on a machine that is always busy."""


def usable_cores() -> int:
    """How many cores this process may use, which is less than the machine has in many containers."""
    return len(os.sched_getaffinity(0)) or 1


def yield_to_others() -> None:
    """Make the threads of this process sleep where they would spin. Only works before the library is loaded.

    A thread that spins for another, which waits for a core, keeps that very core busy: with more runnable processes
    than cores the model would come to a standstill.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.nice(_NICE)


class _Server(Protocol):
    listening_address: str


def serve(settings: ModelServerSettings) -> _Server:
    """Load the model and listen; returns when it answers. The server lives as long as the object returned."""
    import xllamacpp

    library = cast("Any", xllamacpp)  # a compiled module without type information
    parameters = library.CommonParams()
    parameters.model.path = str(settings.weights)
    parameters.model_alias = [settings.name]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = settings.port
    parameters.api_keys = [settings.api_key.get_secret_value()]
    parameters.n_parallel = settings.slots
    parameters.n_ctx = settings.slots * settings.slot_tokens
    for compute in (parameters.cpuparams, parameters.cpuparams_batch):
        compute.n_threads = min(settings.threads, usable_cores())
        compute.poll = 0
    parameters.cache_ram_mib = 1024
    parameters.offline = True
    parameters.ui = False
    parameters.use_jinja = True
    return library.Server(parameters)


def main() -> None:
    """Serve until SIGTERM."""
    settings = ModelServerSettings.model_validate(json.loads((Path(sys.argv[1]) / "server.json").read_text()))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    yield_to_others()
    server = serve(settings)
    print(f"serving {settings.name} at {server.listening_address}", flush=True)  # noqa: T201 - goes to the log file
    ended.wait()
    # The library's own shutdown waits for answers under way, which nobody waits for any more.
    os._exit(0)


if __name__ == "__main__":
    main()
