"""Names of our own making as people read them."""

_AGENTS = {"extractor": "Read documents", "vision_checker": "Check photos", "policy_lookup": "Look up policy"}

_ACRONYMS = {"id": "ID", "iban": "IBAN", "usd": "USD"}


def humanised(name: str) -> str:
    """`incident_date` as `incident date`."""
    return " ".join(_ACRONYMS.get(word, word) for word in name.replace("-", "_").split("_"))


def titled(name: str) -> str:
    """`incident_date` as `Incident date`."""
    words = humanised(name)
    return words[:1].upper() + words[1:]


def step_title(agent: str) -> str:
    """What an agent does, as the plan names it; agents of others are called by their own name."""
    return _AGENTS.get(agent, titled(agent))


def actor_name(actor: str) -> str:
    """`agent:extractor` as `extractor`, `account:acc_...` as `a person`."""
    kind, _, name = actor.partition(":")
    if kind == "account":
        return "a person"
    if kind == "worker":
        return "worker"
    return humanised(name or kind)


def counted(number: int, noun: str) -> str:
    """`1 fact`, `2 facts`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float | None) -> str:
    """`42 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
