"""Plain claims: everything is there, everything agrees."""

from evals.claims_intake import scenes_car, scenes_home, scenes_travel
from evals.claims_intake.camera import Shot
from evals.claims_intake.insurer_data import record_facts
from evals.claims_intake.material import Case, Letter, Mail, Paper, Photo, Text, Truth
from evals.claims_intake.papers import Bill

CAR_DOOR = Case(
    case_id="car_door_plain",
    title="Dented door in a supermarket car park",
    message="Hi, somebody dented my door at the supermarket. Letter, estimate and a photo are attached. Thanks, Priya",
    items=(
        Text(
            name="letter.txt",
            body="""Priya Raman
14 Alder Close, Reading RG2 7PT
priya.raman@example.com

16 October 2026

Dear Harbour Mutual,

Policy CAR-2214-KL

On Wednesday 14 October 2026 I left my silver Hyundai i20 in the car park of the big Tesco off the Portman Road
while I did the weekly shop. When I came back about forty minutes later, at ten past five, there was a dent the size
of a dinner plate in the driver's door and long scratches right across it. Whoever did it had gone. No note, of
course. I asked at customer services and they said that row isn't covered by the cameras, which is just my luck.

Nobody was in the car and nobody was hurt. It drives fine, it just looks awful and the door creaks a bit.

I took it to Kestrel Bodyworks the next morning and they want £742.80 including VAT, their estimate is attached
together with the photo I took on the spot. Please pay into my account at sort code 20-45-11, account 60317752.

Many thanks,
Priya Raman
""",
        ),
        Paper(
            name="estimate_kestrel.pdf",
            bill=Bill(
                kind="Estimate",
                number="KB-20716",
                dated="15/10/2026",
                business="Kestrel Bodyworks Ltd",
                address=("Unit 6, Wharf Lane Trading Estate, Reading RG1 3EJ", "Tel. 0118 496 0142"),
                customer=("Ms P Raman", "Hyundai i20, silver, registration RJ19 XPV"),
                subject="Repair to driver's door after impact while parked",
                lines=(
                    ("Remove trim, pull dent, reshape outer skin (hours)", "5", "48.00"),
                    ("Fill, prime and flat (hours)", "2.5", "48.00"),
                    ("Paint door and blend into rear door, two-coat metallic", "1", "214.00"),
                    ("Paint and materials", "1", "45.00"),
                ),
                vat_number="GB 318 2047 55",
                notes=("Estimate valid for 30 days. Work takes two working days.",),
            ),
        ),
        Photo(
            name="door.jpg",
            paint=lambda seed: scenes_car.door(seed, (0.60, 0.62, 0.64)),
            seed=101,
            shot=Shot(taken="2026:10:14 17:14:09", iso=125),
        ),
    ),
    outcome="settle",
    amount="492.80",
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "CAR-2214-KL",
            "claim_kind": "car",
            "incident_date": "2026-10-14",
            "claimant_name": "Priya Raman",
            "claimed_amount": "742.80",
            "estimate_total": "742.80",
            "payee_account": "20-45-11 60317752",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("CAR-2214-KL", "2026-10-14", "A2"),
    ).facts(),
    tags=("plain", "car", "text", "pdf", "photo"),
    note="742.80 less the excess of 250.00. Letter, estimate, photo and policy agree, nobody hurt, under 1,000.",
)

HOME_CEILING = Case(
    case_id="home_ceiling_plain",
    title="Burst pipe over the dining room",
    message=(
        "Good afternoon. I have forwarded my e-mail with the plasterer's invoice and two pictures. D. Hargreaves (Mrs)"
    ),
    items=(
        Mail(
            name="claim.eml",
            sender="Dorothy Hargreaves <dot.hargreaves@example.com>",
            subject="Claim - water through the dining room ceiling, HOM-4471-BX",
            sent="Mon, 12 Oct 2026 14:22:07 +0100",
            body="""Dear Sirs,

I am writing about my household policy, number HOM-4471-BX. I am 81 and not very good with the computer so my
grandson is helping me send this.

On the 3rd of October, a Saturday, I was having my breakfast when I noticed drips on the tablecloth. A pipe in the
bathroom above had burst at the joint and the water was coming through the dining room ceiling. I turned the
stopcock off as my late husband taught me and put the jam pan underneath. The plumber, a very nice young man, mended
the joint the same day and would not take any money for it because he knew my husband from the bowls club.

The ceiling however is ruined, there is a great brown patch and the paper is hanging down. Mr Pickering has now put
it right and I enclose his invoice, which came to £864.00 with the VAT. I also enclose two photographs.

I should be glad if you would pay it into my Post Office account, sort code 60-83-71, account number 11402936.

Yours faithfully,
Dorothy Hargreaves (Mrs)
""",
            items=(
                Paper(
                    name="invoice_pickering.pdf",
                    bill=Bill(
                        kind="Invoice",
                        number="0388",
                        dated="9th October 2026",
                        business="J. Pickering & Son, Plasterers and Decorators",
                        address=("22 Chapel Street, Skipton BD23 1NL", "07700 900318"),
                        customer=("Mrs D Hargreaves, 5 Moorview Terrace, Skipton",),
                        subject="Dining room ceiling after burst pipe",
                        lines=(
                            ("Take down loose plaster and paper, bag and remove", "1", "120.00"),
                            ("Re-board 3.6 sq m and skim ceiling", "1", "345.00"),
                            ("Stain block, two coats white emulsion, coving touched up", "1", "210.00"),
                            ("Dust sheets, filler, sundries", "1", "45.00"),
                        ),
                        vat_number="GB 204 9913 07",
                        serif=True,
                        colour="#5a3d1e",
                        notes=("With thanks. Payment within 14 days please.",),
                    ),
                ),
                Photo(
                    name="ceiling_1.jpg",
                    paint=scenes_home.ceiling,
                    seed=211,
                    shot=Shot(taken="2026:10:03 09:41:30", make="samsung", model="SM-A145F", iso=400, warmth=0.04),
                ),
                Photo(
                    name="ceiling_2.jpg",
                    paint=lambda seed: scenes_home.ceiling(seed, (0.62, 0.46), 0.30),
                    seed=212,
                    shot=Shot(taken="2026:10:04 11:02:55", make="samsung", model="SM-A145F", iso=320, warmth=0.03),
                ),
            ),
        ),
    ),
    outcome="settle",
    amount="764.00",
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "HOM-4471-BX",
            "claim_kind": "home",
            "incident_date": "2026-10-03",
            "claimant_name": "Dorothy Hargreaves",
            "claimed_amount": "864.00",
            "estimate_total": "864.00",
            "payee_account": "60-83-71 11402936",
        },
        photos={"photos_count": 2, "photos_usable": 2},
        record=record_facts("HOM-4471-BX", "2026-10-03", "B1"),
    ).facts(),
    tags=("plain", "home", "mail", "pdf", "photo"),
    note="864.00 less the excess of 100.00. One earlier claim in May is no reason to stop.",
)

TRAVEL_SUITCASE = Case(
    case_id="travel_suitcase_plain",
    title="Suitcase split on the way back from Gdańsk",
    message="""Hello, my case was broken by the airline on the flight home, policy no is TRV-0092-QD. The
letter, the receipt for the
replacement and a photo are below. T. Zieliński""",
    items=(
        Letter(
            name="letter.pdf",
            author="Tomasz Zieliński",
            body="""Tomasz Zieliński
Flat 9, 41 Quay Street, Bristol
tomasz.zielinski@example.com

24/09/26

Re: travel insurance TRV-0092-QD, damaged luggage

Dear claims department,

I am writing to claim for one suitcase. On 21/09/26 I flew from Gdańsk to Bristol after my sister's wedding. The
suitcase, a hard one, two years old but perfect, came out on the belt with a hole near the corner and one wheel
missing. My suit was inside so I was not happy, but the suit is luckily OK. I reported it at the desk in the
arrivals hall, they gave me a form and told me to ask my insurance because the airline pays only after some months,
if at all.

I have thrown nothing away, you can see it in the photograph. The shop told me this kind of shell cannot be
repaired. So I bought the same model again for £289.00, the receipt is attached.

Please transfer the money to my account 04-00-75 82216409.

With kind regards
Tomasz Zieliński
""",
        ),
        Paper(
            name="receipt.png",
            bill=Bill(
                kind="Receipt",
                number="5512-083",
                dated="23/09/2026 12:47",
                business="CASE & CARRY",
                address=("Cabot Circus, Bristol", "VAT 771 4032 18"),
                customer=(),
                lines=(("Nordlys 68cm hard shell, petrol", "1", "240.8333"),),
                notes=("PAID CARD ****4417", "Thank you for your visit"),
            ),
        ),
        Photo(
            name="suitcase.jpg",
            paint=scenes_travel.suitcase,
            seed=303,
            shot=Shot(taken="2026:09:21 22:38:11", make="Google", model="Pixel 7a", iso=250),
        ),
    ),
    outcome="settle",
    amount="214.00",
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "TRV-0092-QD",
            "claim_kind": "travel",
            "incident_date": "2026-09-21",
            "claimant_name": "Tomasz Zieliński",
            "claimed_amount": "289.00",
            "estimate_total": "289.00",
            "payee_account": "04-00-75 82216409",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("TRV-0092-QD", "2026-09-21", "T2"),
    ).facts(),
    tags=("plain", "travel", "pdf", "receipt", "photo"),
    note="289.00 less the excess of 75.00. Dates are written day/month/two-digit year.",
)

CASES = (CAR_DOOR, HOME_CEILING, TRAVEL_SUITCASE)
