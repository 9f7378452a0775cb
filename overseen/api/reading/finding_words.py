"""What each finding of the reconciler means, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FindingWords:
    """A finding for people: what it is called, what it means, what to do next."""

    title: str
    meaning: str
    next_step: str


_WORDS = {
    "VAULT_ONLY_TOKEN": FindingWords(
        title="A token nobody asked for",
        meaning="Vault made a token of Overseen's that the ledger does not know.",
        next_step="Find out in Vault's audit file who made it, revoke its accessor, and change the secret id of the "
        "login that made it.",
    ),
    "VAULT_ONLY_LEASE": FindingWords(
        title="A credential nobody asked for",
        meaning="Vault gave out a leased credential that the ledger does not know.",
        next_step="Revoke the lease in Vault, look at what the account did in the system it opens, and find out whose "
        "token asked.",
    ),
    "LEDGER_ONLY": FindingWords(
        title="A lease Vault never made",
        meaning="The ledger tells of a credential of which Vault's records say nothing.",
        next_step="Check that the audit file is whole (rotated, cut, another server) and that nobody wrote into the "
        "ledger: `overseen journal verify`.",
    ),
    "USE_AFTER_REVOKE": FindingWords(
        title="Used after its end",
        meaning="Someone tried a token after it was revoked: it was kept somewhere, or copied. Vault refused it.",
        next_step="Open the lease, see which tool held it, and stop the run or the tool until it is clear where the "
        "token went.",
    ),
    "DENIED": FindingWords(
        title="A probe",
        meaning="A token was used for something it may not do. Vault refused it.",
        next_step="Open the lease: a tool that probes is either wrong or turned. Stop its run; if it comes from "
        "outside Overseen, find the login in Vault's audit file.",
    ),
    "OUT_OF_BAND_READ": FindingWords(
        title="Read outside Overseen",
        meaning="Someone read one of the tools' secrets directly in Vault, without a lease.",
        next_step="If it was an administrator at work, explain it here. If not, change the secret.",
    ),
    "UNWRAPPED_TWICE": FindingWords(
        title="A wrapped secret was opened by someone else",
        meaning="When the broker came to open a wrapped secret it had been opened before: others may know it.",
        next_step="Change the secret, then find out who can listen between the broker and Vault.",
    ),
    "STILL_ALIVE": FindingWords(
        title="Still alive after its end",
        meaning="Vault knows a credential that the ledger calls gone, or one that is long past its end.",
        next_step="Run `overseen leases sweep`; if it stays, revoke the accessor in Vault by hand and see whether the "
        "database it opens can be reached.",
    ),
}


def words_of(name: str) -> FindingWords:
    """The words for a finding's name; names of a newer reconciler speak for themselves."""
    return _WORDS.get(
        name,
        FindingWords(
            title=name.replace("_", " ").capitalize(),
            meaning="The reconciler found that Vault's records and the ledger disagree.",
            next_step="Open the lease, and look for the accessor in Vault's audit file.",
        ),
    )
