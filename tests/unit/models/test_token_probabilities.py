from overseen.models.answer_reader import read_tokens


def part(raw: bytes, logprob: float) -> dict[str, object]:
    return {"token": raw.decode(errors="replace"), "bytes": list(raw), "logprob": logprob}


def test_tokens_that_share_a_character_become_one() -> None:
    first, second = "ł".encode()[:1], "ł".encode()[1:]
    read = read_tokens([part(b"a", -0.1), part(first, -0.2), part(second, -0.9), part(b"b", 0.0)])
    assert [(token.token, token.logprob) for token in read] == [("a", -0.1), ("ł", -0.9), ("b", 0.0)]


def test_a_server_that_tells_no_bytes_is_believed_by_its_text() -> None:
    assert [token.token for token in read_tokens([{"token": "ab", "logprob": -1.0}])] == ["ab"]


def test_a_character_cut_off_at_the_end_is_kept_as_unknown() -> None:
    assert read_tokens([part("ł".encode()[:1], -0.2)])[0].token == "\ufffd"
