"""A narrower grant is proposed when the figures speak for it."""

from overseen.secrets.least_privilege import propose


def proposal(*, leases: int = 100, used: int = 100, longest: float = 1.0, granted: float = 60.0) -> str:
    return propose(
        tool="look_up_policy",
        grant="insurer_read",
        leases=leases,
        used=used,
        longest_seconds=longest,
        granted_seconds=granted,
    )


def test_a_grant_that_is_never_used_should_go() -> None:
    assert proposal(used=0).startswith("Take the grant insurer_read away")


def test_a_lease_much_longer_than_any_use_should_be_shorter() -> None:
    assert "live 10 s" in proposal(longest=1.0)
    assert "live 21 s" in proposal(longest=7.0)


def test_a_lease_that_is_about_right_stays() -> None:
    assert proposal(longest=15.0) == ""


def test_nothing_is_proposed_on_few_leases() -> None:
    assert proposal(leases=5, used=0) == ""


def test_tables_that_were_never_touched_should_not_be_granted() -> None:
    text = propose(
        tool="find_duplicate_photos",
        grant="insurer_read",
        leases=40,
        used=40,
        longest_seconds=25.0,
        granted_seconds=60.0,
        tables={"public.claim_photos": ("select",)},
        allowed={"public.claim_photos": ("select",), "public.policies": ("select",)},
    )
    assert "with GRANT SELECT ON public.claim_photos;" in text
    assert "never used select on public.policies of insurer_read" in text


def test_a_grant_that_was_used_in_full_stays() -> None:
    used = {"public.payments": ("insert", "select")}
    kept = propose(
        tool="pay_settlement",
        grant="insurer_pay",
        leases=40,
        used=40,
        longest_seconds=25.0,
        granted_seconds=60.0,
        tables=used,
        allowed=used,
    )
    assert kept == ""


def test_nothing_is_proposed_about_tables_that_were_reached_through_a_view() -> None:
    kept = propose(
        tool="look_up_policy",
        grant="insurer_read",
        leases=40,
        used=40,
        longest_seconds=25.0,
        granted_seconds=60.0,
        tables={"public.policies": ("select",)},
        allowed={"public.policies_in_force": ("select",)},
    )
    assert kept == ""
