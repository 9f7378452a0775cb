"""The only door to guardrails-ai: imported late (seconds of CPU), with its metrics off before anything is built."""

import os
from functools import cache
from types import ModuleType

from overseen.errors import Misconfigured


@cache
def validator_base() -> ModuleType:
    """`guardrails.validator_base`, ready to use offline. Blocking: call it through `run_blocking` on an event loop.

    guardrails-ai reads `~/.guardrailsrc` again whenever a Guard is built, so the loader itself is replaced, not only
    the settings it filled. Raises Misconfigured when the package is missing.
    """
    # litellm, which comes along, would otherwise fetch a price list on import.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        from guardrails.classes.rc import RC
    except ImportError as error:
        raise Misconfigured(
            "guardrails-ai is not installed.",
            not_done="No guardrail could look.",
            next_step="Install guardrails-ai 0.11.",
        ) from error

    def quiet(_cls: type[RC], _logger: object = None) -> RC:
        return RC.from_dict({"enable_metrics": False, "use_remote_inferencing": False})

    RC.load = classmethod(quiet)  # type: ignore[method-assign,assignment]
    from guardrails import validator_base as module
    from guardrails.settings import settings

    settings.rc = RC.load()
    return module
