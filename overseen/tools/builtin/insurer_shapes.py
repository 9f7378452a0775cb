"""What the tools on the insurer's system of record take and return. Not imported inside sandboxes."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from overseen.domain.calls import Effect
from overseen.tools.sandbox.port import SandboxProfile
from overseen.tools.types import Grant, ToolSpec

INSURER_READ = Grant(name="insurer_read", kind="database", resource="insurer")
INSURER_CLAIMS_WRITE = Grant(name="insurer_claims_write", kind="database", resource="insurer")
INSURER_PAY = Grant(name="insurer_pay", kind="database", resource="insurer")

_SMALL = SandboxProfile(
    wall_seconds=20.0,
    cpu_seconds=10.0,
    memory_bytes=256 << 20,
    threads=8,
    scratch_bytes=8 << 20,
    output_bytes=2 << 20,
    prewarmed=1,
)
"""A little Python and one database door; one worker waits ready, because most calls are of this kind."""

PolicyNumber = Annotated[str, Field(pattern=r"^[A-Z]{3}-[0-9]{4}-[A-Z]{2}$")]
Kind = Literal["car", "home", "travel"]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="YYYY-MM-DD")]
Money = Annotated[str, Field(pattern=r"^\d{1,10}(\.\d{1,2})?$", description="Decimal digits as text, never a float")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="64 bits in hexadecimal")]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _more_than_nothing(amount: str) -> str:
    if Decimal(amount) <= 0:
        raise ValueError("must be more than 0")
    return amount


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LookUpPolicyArguments(_Shape):
    """Which policy."""

    policy_number: Annotated[str, Field(min_length=1, max_length=40)]


class Policy(_Shape):
    """A policy as the system of record has it. `ends_on` is the last day of cover."""

    policy_number: str
    kind: Kind
    holder: str
    holder_email: str
    status: Literal["active", "lapsed", "cancelled"]
    starts_on: Day
    ends_on: Day
    excess: Money
    cover_limit: Money
    currency: Currency
    region: str


class LookUpPolicyResult(_Shape):
    """`policy` is None when the number is unknown."""

    found: bool
    policy: Policy | None = None


class SearchPolicyWordingArguments(_Shape):
    """`query` is in plain words; a clause need not hold all of them, but those that hold more come first."""

    kind: Kind
    query: Annotated[str, Field(min_length=1, max_length=2000)]
    limit: Annotated[int, Field(ge=1, le=20)] = 5


class Clause(_Shape):
    """A clause of the wording. `effect` says whether it grants cover, takes it away or sets a condition."""

    clause_id: str
    title: str
    body: str
    effect: Literal["covers", "excludes", "condition"]
    rank: float


class SearchPolicyWordingResult(_Shape):
    """Best first."""

    clauses: list[Clause]


class ListPriorClaimsArguments(_Shape):
    """Whose claims."""

    policy_number: PolicyNumber


class PriorClaim(_Shape):
    """A claim made earlier on the policy."""

    claim_id: str
    incident_on: Day
    amount: Money
    status: str
    registered_at: str


class ListPriorClaimsResult(_Shape):
    """Latest incident first, at most 100."""

    claims: list[PriorClaim]


class FindDuplicatePhotosArguments(_Shape):
    """The hashes that `inspect_image` returned."""

    phash: Hash
    dhash: Hash


class PhotoMatch(_Shape):
    """A photo of an earlier claim that looks the same.

    Distances are differing bits of 64; `distance` is that of the perceptual hash.
    """

    claim_id: str
    photo_name: str
    distance: int
    dhash_distance: int


class FindDuplicatePhotosResult(_Shape):
    """Most alike first."""

    matches: list[PhotoMatch]


class PhotoFingerprint(_Shape):
    """A photo that came with the claim, for later comparison."""

    name: Line
    phash: Hash
    dhash: Hash


class RegisterClaimArguments(_Shape):
    """`amount` is what is paid for the claim, 0 where nothing is."""

    policy_number: PolicyNumber
    incident_date: Day
    amount: Money
    status: Literal["registered", "settled", "denied"]
    photos: Annotated[list[PhotoFingerprint], Field(max_length=20)] = []


class RegisterClaimResult(_Shape):
    """`already_there` when an earlier try of the same call had registered it."""

    claim_id: str
    photos: int
    already_there: bool


class PaySettlementArguments(_Shape):
    """Without `claim_id` the payment is for the claim that this run registered."""

    policy_number: PolicyNumber
    payee: Line
    amount: Annotated[Money, AfterValidator(_more_than_nothing)]
    currency: Currency
    claim_id: Annotated[str, Field(min_length=1, max_length=40)] | None = None


class PaySettlementResult(_Shape):
    """`already_there` when an earlier try of the same call had paid."""

    payment_id: str
    claim_id: str
    paid_at: str
    already_there: bool


class WriteToClaimantArguments(_Shape):
    """A letter in plain text."""

    to_address: Annotated[
        str, Field(max_length=254, pattern=r"^[^@\s<>,;\x00-\x1f]+@[^@\s<>,;\x00-\x1f]+\.[^@\s<>,;]+$")
    ]
    subject: Line
    body: Annotated[str, Field(min_length=1, max_length=20000)]


class WriteToClaimantResult(_Shape):
    """`file` names the output that holds the letter as .eml."""

    letter_id: str
    sent_at: str
    file: str
    already_there: bool


def _spec(
    name: str, description: str, shapes: tuple[type[BaseModel], type[BaseModel]], grant: Grant, effect: Effect
) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=description,
        effect=effect,
        arguments=shapes[0],
        result=shapes[1],
        profile=_SMALL,
        entry=f"overseen.tools.builtin.{name}:run",
        grants=(grant,),
    )


INSURER_TOOLS = (
    _spec(
        "look_up_policy",
        "Look up a policy by its number in the insurer's records.",
        (LookUpPolicyArguments, LookUpPolicyResult),
        INSURER_READ,
        Effect.READ,
    ),
    _spec(
        "search_policy_wording",
        "Search the policy wording for the clauses that apply.",
        (SearchPolicyWordingArguments, SearchPolicyWordingResult),
        INSURER_READ,
        Effect.READ,
    ),
    _spec(
        "list_prior_claims",
        "List earlier claims on a policy.",
        (ListPriorClaimsArguments, ListPriorClaimsResult),
        INSURER_READ,
        Effect.READ,
    ),
    _spec(
        "find_duplicate_photos",
        "Find photos of earlier claims that look the same as a given one.",
        (FindDuplicatePhotosArguments, FindDuplicatePhotosResult),
        INSURER_READ,
        Effect.READ,
    ),
    _spec(
        "register_claim",
        "Register a claim in the insurer's records.",
        (RegisterClaimArguments, RegisterClaimResult),
        INSURER_CLAIMS_WRITE,
        Effect.WRITE,
    ),
    _spec(
        "pay_settlement",
        "Pay the settlement of a claim. Money that was paid does not come back.",
        (PaySettlementArguments, PaySettlementResult),
        INSURER_PAY,
        Effect.IRREVERSIBLE,
    ),
    _spec(
        "write_to_claimant",
        "Send a letter to the policy holder.",
        (WriteToClaimantArguments, WriteToClaimantResult),
        INSURER_CLAIMS_WRITE,
        Effect.IRREVERSIBLE,
    ),
)
