"""Connections that are slow to say what they want are closed."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def bounded_connections(head_seconds: float) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 with a limit of its own: a request's head is here within `head_seconds`, or nothing is.

    uvicorn waits for ever for the end of a head that has begun; a few hundred of those would keep everyone else out.
    """

    class BoundedConnection(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_watching()
            super().connection_lost(exc)

        def _watch_head(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._stop_watching()
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(head_seconds, self._give_up)

        def _stop_watching(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self.transport.close()

    return BoundedConnection
