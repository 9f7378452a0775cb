"""What can be wrong with a prompt."""

from overseen.errors import Defect, Misconfigured, NotFound, WhoActs


class UnknownPrompt(NotFound):
    """No prompt file has this name."""

    code = "unknown_prompt"
    who_acts = WhoActs.DEVELOPER


class InvalidPrompt(Misconfigured):
    """A prompt file cannot be used: the message names the file and what is wrong. Found when the library loads."""

    code = "invalid_prompt"


class WrongPromptVariables(Defect):
    """The code gave a prompt other variables than its file declares."""

    code = "wrong_prompt_variables"
