import stat

from overseen.stack.files import keep_secret, read_json, rotate_log, write_private


def test_a_private_file_is_readable_by_its_owner_only(tmp_path):
    write_private(tmp_path / "secret", "x")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_writing_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path):
    write_private(tmp_path / "file", "a long first content")
    write_private(tmp_path / "file", "short")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "short"


def test_a_half_written_json_file_counts_as_none(tmp_path):
    (tmp_path / "state.json").write_text('{"parts": {"postgres"')
    assert read_json(tmp_path / "state.json") == {}


def test_a_kept_secret_stays_the_same(tmp_path):
    first = keep_secret(tmp_path / "password")
    assert len(first) >= 32
    assert keep_secret(tmp_path / "password") == first


def test_an_empty_secret_file_is_filled_anew(tmp_path):
    (tmp_path / "password").write_text("")
    assert keep_secret(tmp_path / "password")


def test_a_log_within_its_limit_is_left_alone(tmp_path):
    log = tmp_path / "web.log"
    log.write_text("x" * 100)
    assert rotate_log(log, limit_bytes=100) is False


def test_a_log_that_outgrew_its_limit_is_emptied_in_place_and_kept_aside(tmp_path):
    log = tmp_path / "web.log"
    with log.open("a") as writer:
        for content in ("first", "second", "third"):
            writer.write(content * 30)
            writer.flush()
            assert rotate_log(log, limit_bytes=100, keep=2) is True
        writer.write("fourth")
    assert log.read_text() == "fourth"
    assert (tmp_path / "web.log.1").read_text() == "third" * 30
    assert (tmp_path / "web.log.2").read_text() == "second" * 30
    assert not (tmp_path / "web.log.3").exists()
