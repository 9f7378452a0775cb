"""Bring a database to the newest schema."""

from pathlib import Path

from overseen.blocking import run_blocking


def _upgrade(url: str) -> None:
    # Every process opens the store and few migrate it: alembic takes a third of a second to import.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


async def migrate(url: str) -> None:
    """Run all migrations on `url` (postgresql+psycopg://...). Safe when two processes do it at once."""
    await run_blocking(_upgrade, url)
