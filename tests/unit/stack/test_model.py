import hashlib
import zipfile

import pytest

from overseen.errors import Misconfigured, Unavailable
from overseen.stack.model import ModelSource, assemble, fetch_parts, provide_model

_PIECES = (b"GGUF first ", b"second ", b"third")


def _source(sha256=None):
    whole = b"".join(_PIECES)
    return ModelSource(
        name="small",
        file_name="small.gguf",
        package="small-model-part",
        version="1.0",
        parts=len(_PIECES),
        size_bytes=len(whole),
        sha256=sha256 or hashlib.sha256(whole).hexdigest(),
    )


@pytest.fixture
def parts(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, piece in enumerate(_PIECES, start=1):
        with zipfile.ZipFile(folder / f"small_model_part{number}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"small_model_part{number}/__init__.py", "")
            wheel.writestr(f"small_model_part{number}/data/part{number:02d}.bin", piece)
    return folder


def test_parts_are_put_together_in_order(parts, tmp_path):
    assemble(_source(), parts, tmp_path / "small.gguf")
    assert (tmp_path / "small.gguf").read_bytes() == b"".join(_PIECES)


def test_weights_with_the_wrong_hash_never_appear(parts, tmp_path):
    with pytest.raises(Unavailable, match="wrong SHA-256"):
        assemble(_source(sha256="0" * 64), parts, tmp_path / "small.gguf")
    assert not (tmp_path / "small.gguf").exists()


def test_parts_of_the_wrong_hash_are_thrown_away(parts, tmp_path):
    with pytest.raises(Unavailable):
        assemble(_source(sha256="0" * 64), parts, tmp_path / "small.gguf")
    assert list(parts.iterdir()) == []


def test_a_missing_part_is_named(parts, tmp_path):
    (parts / "small_model_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(Unavailable, match="Part 2"):
        assemble(_source(), parts, tmp_path / "small.gguf")


async def test_parts_that_are_there_are_not_fetched_again(parts, monkeypatch):
    async def refuse(*command, **options):
        raise AssertionError(f"{command} was started")

    monkeypatch.setattr("asyncio.create_subprocess_exec", refuse)
    await fetch_parts(_source(), parts, lambda detail, progress: None)


async def test_ones_own_weights_are_used_where_they_lie(tmp_path):
    own = tmp_path / "mine.gguf"
    own.write_bytes(b"GGUF...")
    assert await provide_model(tmp_path / "model", lambda detail, progress: None, own_file=own) == own


@pytest.mark.parametrize("content", [None, b"PK\x03\x04"])
async def test_an_own_file_that_is_no_model_is_named(tmp_path, content):
    own = tmp_path / "mine.gguf"
    if content is not None:
        own.write_bytes(content)
    with pytest.raises(Misconfigured, match="OVERSEEN_MODEL_FILE"):
        await provide_model(tmp_path / "model", lambda detail, progress: None, own_file=own)
