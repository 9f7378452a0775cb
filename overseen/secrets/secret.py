"""Values that must never be seen: they print as stars, do not pickle, and are not copied."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn, Self

_MASK = "********"


class Secret:
    """A secret text. `reveal` is the only way to it, so that every use can be found by searching for that word."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The text itself: hand it straight to the client that needs it."""
        return self.__value

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, _format: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        # Equal secrets must hash alike, yet nothing of the value should be derivable: the type will do.
        return hash(Secret)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("A secret cannot be pickled: it would leave this process.")

    def __getstate__(self) -> NoReturn:
        raise TypeError("A secret cannot be pickled: it would leave this process.")


@dataclass(frozen=True, kw_only=True)
class DatabaseCredential:
    """A role that lives for one call. Connect with `username`, `password.reveal()`, `host`, `port`, `database`."""

    username: str
    password: Secret
    host: str
    port: int
    database: str


@dataclass(frozen=True, kw_only=True)
class SecretValue:
    """The fields of one key-value secret, by name."""

    values: dict[str, Secret] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class IdentityToken:
    """A signed JSON Web Token that says which agent calls. It cannot be called back: it ends at `expires_at`."""

    token: Secret
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class ClientCertificate:
    """A client certificate (PEM) with its key and issuer. It cannot be called back: it ends at `expires_at`."""

    certificate: str
    private_key: Secret
    issuer: str
    serial_number: str
    expires_at: datetime


Credential = DatabaseCredential | SecretValue | IdentityToken | ClientCertificate
