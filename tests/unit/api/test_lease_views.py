"""How a lease's life is drawn, and the words for findings."""

from dataclasses import replace
from datetime import timedelta

from overseen.api.reading.finding_words import words_of
from overseen.api.reading.lease_views import VaultRecord
from overseen.secrets.anomalies import AnomalyName
from tests.unit.api.lease_examples import ASKED, CLOSED, LIVE, REFUSED


def test_moments_are_drawn_to_scale_from_asking_to_proof() -> None:
    life = CLOSED.life()
    assert [(moment.name, round(moment.share, 2)) for moment in life.moments] == [
        ("asked", 0.0),
        ("issued", 0.14),
        ("used", 0.25),
        ("revoked", 0.83),
        ("proven gone", 1.0),
    ]
    assert life.alive == (life.moments[1].share, 1.0)


def test_vaults_entries_share_the_scale_and_stretch_it() -> None:
    late = ASKED + timedelta(milliseconds=720)
    record = VaultRecord(
        entries=(
            (ASKED + timedelta(milliseconds=360), "read", "kv/data/x", None),
            (late, "read", "kv/data/x", "permission denied"),
        )
    )
    life = CLOSED.life(record)
    assert [round(moment.share, 2) for moment in life.vault] == [0.5, 1.0]
    assert round(life.moments[-1].share, 2) == 0.5
    assert life.vault[1].error == "permission denied"


def test_a_clock_that_is_behind_does_not_leave_the_drawing() -> None:
    record = VaultRecord(entries=((ASKED - timedelta(seconds=1), "token made", "auth/token/create/call-x", None),))
    [moment] = CLOSED.life(record).vault
    assert (moment.share, moment.seconds) == (0.0, -1.0)


def test_a_living_lease_is_alive_until_now_and_a_refused_one_never_was() -> None:
    assert LIVE.life().alive is not None
    assert LIVE.life().alive[1] == 1.0
    assert REFUSED.life().alive is None
    assert replace(REFUSED).is_live is False


def test_every_anomaly_has_words_of_its_own() -> None:
    for name in AnomalyName:
        words = words_of(name.value)
        assert words.meaning != words_of("SOMETHING_NEW").meaning, name
        assert words.next_step
