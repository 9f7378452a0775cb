"""A witness behind a URL that somebody else owns: each checkpoint is posted, the newest is asked for."""

from collections.abc import Sequence
from pathlib import Path

import httpx

from overseen.blocking import run_blocking
from overseen.journal.checkpoints import Checkpoint, read_line
from overseen.journal.errors import WitnessUnavailable

_SECONDS = 5.0
_MAX_ANSWER_BYTES = 1 << 20
_NONE_YET = 404


class UrlWitness:
    """POST `url` with a checkpoint's line as JSON body; any 2xx means that it is kept.

    GET `url` answers with the newest one kept, or 404 before the first. With `asked` False it is only told: what it
    keeps has to be compared by those who own it. `token_file` holds a bearer token, read anew each time.
    """

    def __init__(self, url: str, *, token_file: Path | None = None, asked: bool = True) -> None:
        self._url = url
        self._token_file = token_file
        self.name = f"url {httpx.URL(url).copy_with(userinfo=b'', query=None)}"[:300]
        self.asked = asked

    async def newest(self) -> Checkpoint | None:
        """See Witness."""
        answer = await self._request("GET")
        if answer.status_code == _NONE_YET:
            return None
        try:
            return read_line(self._content(answer))
        except ValueError as error:
            raise self._unavailable("its answer is no checkpoint") from error

    async def all(self) -> list[Checkpoint]:
        """See Witness. Only the newest: the others are with those who own it."""
        newest = await self.newest()
        return [] if newest is None else [newest]

    async def tell(self, checkpoints: Sequence[Checkpoint]) -> None:
        """See Witness. One request each, in order."""
        for checkpoint in checkpoints:
            self._content(await self._request("POST", checkpoint.line()))

    async def set_aside(self) -> None:
        """See Witness. Only those who own it can."""
        raise self._unavailable("only those who own it can set aside what it holds")

    async def _request(self, method: str, body: str | None = None) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            if self._token_file is not None:
                token = await run_blocking(self._token_file.read_text, "utf-8")
                headers["Authorization"] = f"Bearer {token.strip()}"
            async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
                return await client.request(method, self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise self._unavailable(type(error).__name__) from error
        except OSError as error:
            raise self._unavailable(f"its token cannot be read: {error.strerror}") from error

    def _content(self, answer: httpx.Response) -> str:
        if not answer.is_success:
            raise self._unavailable(f"it answered {answer.status_code}")
        if len(answer.content) > _MAX_ANSWER_BYTES:
            raise self._unavailable("its answer is too long")
        return answer.text

    def _unavailable(self, why: str) -> WitnessUnavailable:
        return WitnessUnavailable(
            f"The witness {self.name} cannot be asked or told: {why}.",
            next_step="Ask those who own it; it is told what it missed as soon as it answers.",
        )
