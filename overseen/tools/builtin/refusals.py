"""Why a document or picture was not read: an answer, not a failure, because the agent has to go on without it."""


class DocumentRefused(Exception):
    """The content cannot or must not be read. `code` is for code, `message` for the person who handed it in.

    Codes: empty, encrypted, truncated, damaged, mislabelled, executable, archive, unsupported, too_many_pages,
    too_many_pixels, too_much_text, not_text.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def as_dict(self) -> dict[str, str]:
        """As the result shows it."""
        return {"code": self.code, "message": self.message}
