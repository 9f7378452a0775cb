"""Claims that cannot be decided before the claimant has sent something more."""

from evals.claims_intake import scenes_car, scenes_home, scenes_travel
from evals.claims_intake.camera import Shot
from evals.claims_intake.insurer_data import record_facts
from evals.claims_intake.material import Case, Letter, Paper, Photo, Text, Truth
from evals.claims_intake.papers import Bill

MISSING_ESTIMATE = Case(
    case_id="home_missing_estimate",
    title="No estimate or receipt for the hob",
    message="""Salaam, I'd like to claim for a broken hob on HOM-3390-CE. I wrote a letter and took a photo,
hope that is enough?
Farah Siddiqui""",
    items=(
        Letter(
            name="hob letter.pdf",
            author="Farah Siddiqui",
            body="""Farah Siddiqui
27 Northgate, Bradford

5 November 2026

Re: HOM-3390-CE

To whom it may concern,

On Sunday 1 November 2026 we had the whole family over, eighteen people, and while my brother was being clever and
juggling with the big pepper mill it came down on our glass hob. It now has a star in the middle and cracks to every
side. He is very sorry. Nobody was hurt, apart from his pride.

I have looked at the shops and a hob like ours costs about £450, but they keep changing the price, so I thought I
would ask you first before I order one. Until then we are managing with a camping stove, so I would be grateful for
a quick answer.

You can reach me by mail or after six in the evening. Payment to 09-01-28, account 66720314, please.

Many thanks and best wishes
Farah Siddiqui
""",
        ),
        Photo(
            name="IMG_0713.jpg",
            paint=lambda seed: scenes_home.hob(seed, (0.44, 0.42)),
            seed=611,
            shot=Shot(taken="2026:11:01 18:44:15", make="Apple", model="iPhone 14", iso=400, warmth=0.03),
        ),
    ),
    outcome="ask",
    amount=None,
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "HOM-3390-CE",
            "claim_kind": "home",
            "incident_date": "2026-11-01",
            "claimant_name": "Farah Siddiqui",
            "claimed_amount": "450.00",
            "estimate_total": None,
            "supporting_document": False,
            "payee_account": "09-01-28 66720314",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("HOM-3390-CE", "2026-11-01", "B9"),
    ).facts(),
    tags=("missing", "home", "pdf", "photo"),
    note="A letter that names a price is no estimate: she is asked for one.",
)

BLURRED_PHOTO = Case(
    case_id="car_blurred_photo",
    title="The only photo is blurred",
    message="Bumper claim CAR-6673-PA. Sorry about the picture, my hands were shaking from the cold. Bea Lund",
    items=(
        Text(
            name="claim letter.txt",
            body="""Beatrice Lund, policy CAR-6673-PA
Inverness, 30 October 2026

Hello,

yesterday, that is the 29th of October, I came down to my car at the station car park after work and found the back
bumper cracked and scraped on the left. I had parked nose in at seven in the morning, so somebody must have caught
it coming out of the next bay. There was nothing under the wiper. The station staff keep no recordings, I asked
twice.

No one was in the car. It is my grandmother's old Volvo and I am rather fond of it, so I went straight to the garage
she always used, Macrae & Daughters. They estimate £534.00 with VAT.

I took a photo but it was nearly dark and freezing, and my hands were not steady. I can take another one if it is no
good.

Account: 83-91-26, no. 00471183

Kind regards
Bea Lund
""",
        ),
        Paper(
            name="estimate_macrae.pdf",
            bill=Bill(
                kind="Estimate",
                number="1066",
                dated="30.10.2026",
                business="Macrae & Daughters, Motor Engineers",
                address=("Longman Drive, Inverness IV1 1SU",),
                customer=("Ms B Lund", "Volvo V40, SV07 KDE"),
                lines=(
                    ("Repair crack in bumper cover, left side", "1", "165.00"),
                    ("Paint bumper cover", "1", "240.00"),
                    ("Clips and small parts", "1", "40.00"),
                ),
                vat_number="GB 290 1147 82",
                serif=True,
                colour="#4a2c52",
            ),
        ),
        Photo(
            name="photo.jpg",
            paint=lambda seed: scenes_car.bumper(seed, (0.30, 0.32, 0.30)) * 0.8,
            seed=621,
            shot=Shot(taken="2026:10:29 17:21:48", make="Nokia", model="G22", iso=800, defocus=7.0, shake=22),
        ),
    ),
    outcome="ask",
    amount=None,
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "CAR-6673-PA",
            "claim_kind": "car",
            "incident_date": "2026-10-29",
            "claimant_name": "Beatrice Lund",
            "claimed_amount": "534.00",
            "estimate_total": "534.00",
            "payee_account": "83-91-26 00471183",
        },
        photos={"photos_count": 1, "photos_usable": 0},
        record=record_facts("CAR-6673-PA", "2026-10-29", "A2"),
    ).facts(),
    findings=("photo_unusable",),
    tags=("blurred", "car", "text", "pdf", "photo"),
    note=(
        "A car claim needs a photo that shows the damage; the only one is out of focus and shaken, so another"
        " is asked for."
    ),
)

NO_POLICY_NUMBER = Case(
    case_id="travel_no_policy_number",
    title="Policy number not given",
    message=(
        "My suitcase was destroyed on the coach to Edinburgh. I can't find my policy number right now, it is "
        "with Harbour Mutual."
    ),
    items=(
        Text(
            name="my claim.txt",
            body="""Dear Sir, dear Madam,

My name is Kwame Boateng. On the 17 October 2026 I travelled by coach from Leeds to Edinburgh to visit my uncle. The
driver put my suitcase in the bottom of the luggage hold and other heavier things on top of it, a generator among
them, I am not joking. When I received it back the shell was broken through and one of the corners was hanging down.

The coach company says to write to my insurance. I have travel insurance with you since May but the paper with the
number is at my old flat and the landlord is not answering. I hope you can find me by my name.

A new suitcase of the same size was £118.80, please find the receipt and one photo.

Account 20-18-15, 70339052.

Thank you for your kind assistance,
Kwame Boateng
""",
        ),
        Paper(
            name="receipt.pdf",
            bill=Bill(
                kind="Receipt",
                number="0092-77120",
                dated="19/10/2026",
                business="Luggage Loft",
                address=("Princes Street, Edinburgh", "VAT 508 2271 60"),
                customer=(),
                lines=(("Hard shell case 65 cm, plum", "1", "99.00"),),
                colour="#333333",
                notes=("Paid by card. Exchange within 28 days with this receipt.",),
            ),
        ),
        Photo(
            name="case.jpg",
            paint=lambda seed: scenes_travel.suitcase(seed, (0.30, 0.10, 0.22), (0.32, 0.60)),
            seed=631,
            shot=Shot(taken="2026:10:17 20:06:33", make="TECNO", model="CAMON 20", iso=320),
        ),
    ),
    outcome="ask",
    amount=None,
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": None,
            "claim_kind": "travel",
            "incident_date": "2026-10-17",
            "claimant_name": "Kwame Boateng",
            "claimed_amount": "118.80",
            "estimate_total": "118.80",
            "payee_account": "20-18-15 70339052",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record={},
    ).facts(),
    tags=("missing", "travel", "text", "pdf", "photo"),
    note="He has a policy (TRV-1836-VC), but a name is not enough to look it up: the number is asked for.",
)

CASES = (MISSING_ESTIMATE, BLURRED_PHOTO, NO_POLICY_NUMBER)
