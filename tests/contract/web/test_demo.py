"""The demo says where to look first, and a slow machine is no failure of it."""

import io
import re

from rich.console import Console

from overseen.api.services import Services
from overseen.cli.demo import show_demo
from tests.contract.web.conftest import Door


async def test_the_demo_prints_its_links_first_and_ends_well_while_nothing_moves(
    services: Services, door: Door
) -> None:
    """No worker runs here: the claims wait in the queue for ever."""
    said = io.StringIO()
    await show_demo(services, "http://127.0.0.1:1", Console(file=said, width=200), patience_seconds=2.0)
    text = said.getvalue()
    links = re.findall(r"http://127\.0\.0\.1:1/sign-in/link/\S+", text)
    runs = re.findall(r"http://127\.0\.0\.1:1/runs/\S+", text)
    assert (len(links), len(runs)) == (3, 3)
    assert text.index(links[-1]) < text.index(runs[0]) < text.index("queued")
    assert "Waiting for a worker" in text
    assert "Still at work after" in text
    assert "Nothing is lost" in text
