"""Local accounts: passwords, one-time sign-in links, sessions and bearer tokens."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.api.access import Viewer
from overseen.blocking import run_blocking
from overseen.domain.act_origin import current_origin
from overseen.domain.canonical import plain
from overseen.domain.identifiers import new_id
from overseen.domain.outcomes import Role
from overseen.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import AccountChanged, CredentialMinted, SignedIn
from overseen.store import Database
from overseen.store.tables import Account, SignIn, now

SESSION_HOURS = 12
LINK_HOURS = 24
TOKEN_DAYS = 30
DEVICE_DAYS = 180
SHORTEST_PASSWORD = 10
_ADDRESS = re.compile(r"[^@\s<>,;\x00-\x1f]{1,64}@[^@\s<>,;\x00-\x1f]{1,180}")
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,79}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_MINTED = frozenset({"link", "token"})
"""What signs somebody in and is made for others: each is told in the journal."""
_HASHES_AT_ONCE = 3
_HASHES_WAITING = 30
"""Each takes 64 MB and a tenth of a second: more than these at once would be a way to stop the house."""


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Accounts:
    """Accounts and their sign-ins. Tokens leave this class once; only their SHA-256 is kept."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal
        self._hasher = PasswordHasher()
        # Verified when the account is unknown, so that the time of an answer does not tell who exists.
        self._nobody = self._hasher.hash(secrets.token_hex(16))
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)
        self._waiting = 0

    async def add(self, name: str, *, display_name: str, roles: Collection[Role], password: str | None = None) -> str:
        """Make an account, return its id. Raises InvalidInput for a bad name or password, Conflict when it exists."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} cannot be an account's name.",
                not_done="No account was made.",
                next_step="Use 2 to 80 of: lower-case letters, digits, dot, hyphen, underscore; a letter first.",
            )
        if password is not None and len(password) < SHORTEST_PASSWORD:
            raise InvalidInput(
                f"The password is shorter than {SHORTEST_PASSWORD} characters.", not_done="No account was made."
            )
        hashed = await run_blocking(self._hasher.hash, password) if password is not None else None
        account_id = new_id("acc")
        async with self._database.transaction() as session:
            existing = await session.scalar(select(Account).where(Account.name == name))
            if existing is not None:
                raise Conflict(
                    f"The account {name} exists already{'' if existing.disabled_at is None else ', disabled'}.",
                    not_done="No account was made.",
                    next_step=f"Sign in as {name} with `overseen accounts link {name}`."
                    if existing.disabled_at is None
                    else f"Let it in again with `overseen accounts enable {name}`.",
                )
            session.add(
                Account(
                    account_id=account_id,
                    name=name,
                    display_name=display_name,
                    password_hash=hashed,
                    roles=sorted(role.value for role in roles),
                )
            )
            event = AccountChanged(account_id=account_id, roles=tuple(sorted(roles)), change="made")
            await self._journal.append(event, stream=SYSTEM, actor=_actor(), session=session)
        return account_id

    async def ensure(self, name: str, *, display_name: str, roles: Collection[Role]) -> str:
        """The id of the account of that name, made without a password where it does not exist yet."""
        async with self._database.read() as session:
            found = await session.scalar(select(Account.account_id).where(Account.name == name))
        return found or await self.add(name, display_name=display_name, roles=roles)

    async def viewer(self, name: str) -> Viewer:
        """The account of that name. Raises NotFound when it does not exist or is disabled."""
        async with self._database.read() as session:
            account = await session.scalar(select(Account).where(Account.name == name))
        if account is None:
            raise _no_account(name)
        if account.disabled_at is not None:
            raise NotFound(
                f"The account {name} is disabled.",
                not_done="Nothing was changed.",
                next_step=f"Let it in again with `overseen accounts enable {name}`.",
            )
        return _viewer(account)

    async def all(self) -> list[Viewer]:
        """Every account that is not disabled, by name."""
        async with self._database.read() as session:
            query = select(Account).where(Account.disabled_at.is_(None)).order_by(Account.name)
            return [_viewer(account) for account in (await session.scalars(query)).all()]

    async def disabled(self) -> list[Viewer]:
        """Every account that is disabled, by name."""
        async with self._database.read() as session:
            query = select(Account).where(Account.disabled_at.is_not(None)).order_by(Account.name)
            return [_viewer(account) for account in (await session.scalars(query)).all()]

    async def disable(self, name: str) -> None:
        """Let an account in no more. What it is signed in with ends at once, pages it has open too. Raises NotFound."""
        async with self._changing(name, "disabled") as (session, account):
            account.disabled_at = account.disabled_at or now()
            await self._end_sign_ins(session, account)

    async def enable(self, name: str) -> None:
        """Let a disabled account in again; it has to sign in anew. Raises NotFound."""
        async with self._changing(name, "enabled") as (session, account):
            account.disabled_at = None
            await self._end_sign_ins(session, account)

    async def sign_out_everywhere(self, name: str) -> None:
        """End all sessions, links and bearer tokens of an account, as after one was lost. Raises NotFound."""
        async with self._changing(name, "signed_out") as (session, account):
            await self._end_sign_ins(session, account)

    async def set_roles(self, name: str, roles: Collection[Role]) -> None:
        """Give an account these roles and no others, from its next request on. Raises NotFound."""
        async with self._changing(name, "roles") as (_, account):
            account.roles = sorted(role.value for role in roles)

    async def set_email(self, name: str, address: str | None) -> None:
        """Vouch that the mail address is this person's: they are shown what records under it may show them.

        None takes it away. Raises NotFound, InvalidInput for what is no address, Conflict when another account has it.
        """
        cleaned = None if address is None else address.strip().casefold()
        if cleaned is not None and not _ADDRESS.fullmatch(cleaned):
            raise InvalidInput(f"{cleaned!r} is no mail address.", not_done="The account was not changed.")
        async with self._changing(name, "email") as (session, account):
            holder = select(Account.name).where(Account.email == cleaned, Account.account_id != account.account_id)
            if cleaned is not None and await session.scalar(holder) is not None:
                raise Conflict("Another account has this address.", not_done="The account was not changed.")
            account.email = cleaned

    @asynccontextmanager
    async def _changing(self, name: str, change: str) -> AsyncGenerator[tuple[AsyncSession, Account]]:
        """The account of that name, to be changed in one transaction with the journal entry that says so."""
        async with self._database.transaction() as session:
            account = await session.scalar(select(Account).where(Account.name == name).with_for_update())
            if account is None:
                raise _no_account(name)
            yield session, account
            event = AccountChanged(account_id=account.account_id, roles=tuple(account.roles), change=change)
            await self._journal.append(event, stream=SYSTEM, actor=_actor(), session=session)

    async def _end_sign_ins(self, session: AsyncSession, account: Account) -> None:
        await session.execute(delete(SignIn).where(SignIn.account_id == account.account_id))

    async def sign_in(self, name: str, password: str) -> str:
        """A session token for the right password. Raises Forbidden that does not say which of the two was wrong.

        Raises Unavailable when too many passwords are being checked already.
        """
        async with self._database.read() as session:
            account = await session.scalar(select(Account).where(Account.name == name, Account.disabled_at.is_(None)))
        known = account.password_hash if account and account.password_hash else self._nobody
        right = await self._check(known, password)
        if account is None or not account.password_hash or not right:
            raise Forbidden(
                "Name or password is wrong.",
                not_done="You are not signed in.",
                next_step="Try again, or ask an operator for a sign-in link.",
            )
        return await self._issue(account.account_id, "session", timedelta(hours=SESSION_HOURS), method="password")

    async def _check(self, hashed: str, password: str) -> bool:
        if self._waiting >= _HASHES_WAITING:
            raise Unavailable(
                "Too many people sign in at this moment.", not_done="You are not signed in.", next_step="Try again."
            )
        self._waiting += 1
        try:
            async with self._hashing:
                return await run_blocking(self._matches, hashed, password)
        finally:
            self._waiting -= 1

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    async def link(self, name: str) -> str:
        """A one-time sign-in token for the account of that name, good for a day. Raises NotFound."""
        viewer = await self.viewer(name)
        return await self._issue(viewer.account_id, "link", timedelta(hours=LINK_HOURS))

    async def link_owner(self, link_token: str) -> Viewer | None:
        """Whom a sign-in link would sign in; None when it was used, is too old, or its account is disabled."""
        return await self.who(link_token, kinds=("link",), unused=True)

    async def remember_device(self, session_token: str) -> str | None:
        """A token by which the browser of this session is known again when its person signs in; no way in by itself."""
        viewer = await self.who(session_token)
        return None if viewer is None else await self._issue(viewer.account_id, "device", timedelta(days=DEVICE_DAYS))

    async def knows_device(self, name: str, device_token: str) -> bool:
        """Whether that browser signed in as `name` before."""
        viewer = await self.who(device_token, kinds=("device",))
        return viewer is not None and viewer.name == name

    async def token(self, name: str) -> str:
        """A bearer token for the JSON API, good for 30 days. Raises NotFound."""
        viewer = await self.viewer(name)
        return await self._issue(viewer.account_id, "token", timedelta(days=TOKEN_DAYS))

    async def redeem(self, link_token: str) -> str:
        """A session token for a sign-in link that was not used before. Raises Forbidden otherwise."""
        moment = now()
        digest = _digest(link_token) if _TOKEN.fullmatch(link_token) else ""
        async with self._database.transaction() as session:
            account_id = await session.scalar(
                update(SignIn)
                .where(
                    SignIn.token_digest == digest,
                    SignIn.kind == "link",
                    SignIn.used_at.is_(None),
                    SignIn.expires_at > moment,
                )
                .values(used_at=moment)
                .returning(SignIn.account_id)
            )
            if account_id is None:
                raise Forbidden(
                    "This sign-in link was used already or is too old.",
                    not_done="You are not signed in.",
                    next_step="Sign in with your password, or ask an operator for a new link.",
                )
            return await self._issue(
                account_id, "session", timedelta(hours=SESSION_HOURS), method="link", session=session
            )

    async def who(self, token: str, kinds: Collection[str] = ("session",), *, unused: bool = False) -> Viewer | None:
        """Whose token this is, None when it is unknown, too old, of another kind or its account disabled."""
        if not _TOKEN.fullmatch(token):
            return None
        query = (
            select(Account)
            .join(SignIn, SignIn.account_id == Account.account_id)
            .where(
                SignIn.token_digest == _digest(token),
                SignIn.kind.in_(kinds),
                SignIn.expires_at > now(),
                Account.disabled_at.is_(None),
            )
        )
        if unused:
            query = query.where(SignIn.used_at.is_(None))
        async with self._database.read() as session:
            account = await session.scalar(query)
        return _viewer(account) if account else None

    async def sign_out(self, token: str) -> None:
        """End a session; nothing happens when it ended already."""
        if not _TOKEN.fullmatch(token):
            return
        async with self._database.transaction() as session:
            await session.execute(delete(SignIn).where(SignIn.token_digest == _digest(token)))

    async def _issue(
        self,
        account_id: str,
        kind: str,
        life: timedelta,
        *,
        method: str | None = None,
        session: AsyncSession | None = None,
    ) -> str:
        if session is None:
            async with self._database.transaction() as own:
                return await self._issue(account_id, kind, life, method=method, session=own)
        token = secrets.token_urlsafe(32)
        await session.execute(delete(SignIn).where(SignIn.account_id == account_id, SignIn.expires_at < now()))
        session.add(SignIn(token_digest=_digest(token), kind=kind, account_id=account_id, expires_at=now() + life))
        if kind in _MINTED:
            minted = CredentialMinted(account_id=account_id, credential=kind, expires_at=plain(now() + life))
            await self._journal.append(minted, stream=SYSTEM, actor=_actor(), session=session)
        if method is not None:
            event = SignedIn(account_id=account_id, method=method)
            await self._journal.append(event, stream=SYSTEM, actor=f"account:{account_id}", session=session)
        return token


def _actor() -> str:
    """Who changes accounts: the user of the machine whose command it is, else the house itself."""
    origin = current_origin()
    return f"operator:{origin.os_user}" if origin and origin.os_user else "service:accounts"


def _no_account(name: str) -> NotFound:
    return NotFound(
        f"There is no account {name}.",
        not_done="Nothing was changed.",
        next_step="`overseen accounts list` shows those there are.",
    )


def _viewer(account: Account) -> Viewer:
    return Viewer(
        account_id=account.account_id,
        name=account.name,
        display_name=account.display_name,
        roles=frozenset(Role(role) for role in account.roles),
        email=account.email,
    )
