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
    "UNAUTHORIZED_EFFECT": FindingWords(
        title="A credential that acts, without leave",
        meaning="A credential with which something can be written or paid was given out, and no used authorization "
        "allows it: somebody has the login for effects, or wrote into the ledger.",
        next_step="Stop the tool, revoke the accessor in Vault, look at what the account did in the system it opens, "
        "and change the secret id of overseen-effects.",
    ),
    "UNLISTED_TOKEN": FindingWords(
        title="A token outside of runs and calls",
        meaning="A token was made by one of Overseen's logins, or with one of their policies, in a way that Overseen "
        "does not use.",
        next_step="Revoke its accessor, change the secret id of the login that made it, and run "
        "`overseen vault check`.",
    ),
    "ENTITY_WRITE": FindingWords(
        title="An identity was changed",
        meaning="Somebody wrote an entity, alias or group in Vault. An entity with a policy gives it to every token of "
        "whoever it stands for.",
        next_step="If it was an administrator at work, explain it here. If not, run `overseen vault check`, take the "
        "policies off the entity, and change the secret ids of Overseen's logins.",
    ),
    "POLICY_WRITE": FindingWords(
        title="A policy was changed",
        meaning="Somebody changed in Vault what one of Overseen's logins, runs or calls may do.",
        next_step="Run `overseen vault check`, which says what is wider than needed. If it was an upgrade, explain it "
        "here.",
    ),
    "ROLE_WRITE": FindingWords(
        title="A login or role was changed",
        meaning="Somebody changed a login, token role or database role of Overseen's in Vault, or made a secret id.",
        next_step="Run `overseen vault check`. If it was an upgrade or a rotation, explain it here.",
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
