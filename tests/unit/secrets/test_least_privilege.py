"""A narrower grant is proposed when the figures speak for it."""

from overseen.secrets.least_privilege import propose

Tables = dict[str, tuple[str, ...]]


def proposal(
    *,
    leases: int = 100,
    used: int = 100,
    longest: float = 1.0,
    granted: float = 60.0,
    tables: Tables | None = None,
    allowed: Tables | None = None,
) -> str:
    return propose(
        tool="look_up_policy",
        grant="insurer_read",
        leases=leases,
        used=used,
        longest_seconds=longest,
        granted_seconds=granted,
        tables=tables or {},
        allowed=allowed or {},
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
    text = proposal(
        longest=25.0,
        tables={"public.claim_photos": ("select",)},
        allowed={"public.claim_photos": ("select",), "public.policies": ("select",)},
    )
    assert "with GRANT SELECT ON public.claim_photos;" in text
    assert "never used select on public.policies of insurer_read" in text


def test_a_grant_that_was_used_in_full_stays() -> None:
    used = {"public.payments": ("insert", "select")}
    assert proposal(longest=25.0, tables=used, allowed=used) == ""


def test_nothing_is_proposed_about_tables_that_were_reached_through_a_view() -> None:
    touched, granted = {"public.policies": ("select",)}, {"public.policies_in_force": ("select",)}
    assert proposal(longest=25.0, tables=touched, allowed=granted) == ""
