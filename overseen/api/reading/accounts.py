"""People by name."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.store.tables import Account


async def account_names(session: AsyncSession, account_ids: Collection[str]) -> dict[str, str]:
    """Display names by account id; ids that name nobody are left out."""
    if not account_ids:
        return {}
    query = select(Account.account_id, Account.display_name).where(Account.account_id.in_(account_ids))
    return {row.account_id: row.display_name for row in (await session.execute(query)).all()}


def actor_names(actors: Collection[str | None]) -> set[str]:
    """The account ids among actors such as `account:acc_...` and `operator:ann`."""
    return {actor.removeprefix("account:") for actor in actors if actor and actor.startswith("account:")}


def actor_label(actor: str | None, names: dict[str, str]) -> str | None:
    """`account:acc_...` as the person's name, `operator:ann` as `ann (command line)`."""
    if actor is None:
        return None
    kind, _, name = actor.partition(":")
    if kind == "account":
        return names.get(name, name)
    return f"{name} (command line)" if kind == "operator" else name or actor
