"""Plain claims: everything is there, everything agrees."""

from evals.claims_intake import scenes_car, scenes_home, scenes_travel
from evals.claims_intake.camera import Shot
from evals.claims_intake.insurer_data import record_facts
from evals.claims_intake.material import Case, Letter, Mail, Paper, Photo, Scan, Text, Truth
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
    message="Good afternoon. I have forwarded my e-mail with the plasterer's invoice and two pictures. D. Hargreaves (Mrs)",
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
                    shot=Shot(
                        taken="2026:10:03 09:41:30", make="samsung", model="SM-A145F", iso=400, warmth=0.04
                    ),
                ),
                Photo(
                    name="ceiling_2.jpg",
                    paint=lambda seed: scenes_home.ceiling(seed, (0.62, 0.46), 0.30),
                    seed=212,
                    shot=Shot(
                        taken="2026:10:04 11:02:55", make="samsung", model="SM-A145F", iso=320, warmth=0.03
                    ),
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
    message="""Hello, my case was broken by the airline on the flight home, policy no is TRV-0092-QD. The letter, the receipt for the
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

TRAVEL_PHONE = Case(
    case_id="travel_phone_plain",
    title="Phone dropped on a harbour wall",
    message="""hiya, claiming for my phone screen, smashed it on holiday. policy TRV-0318-MW. wrote it all down in the txt file plus
the repair bill and a pic :)""",
    items=(
        Text(
            name="what happened.txt",
            body="""Hi Harbour Mutual

So basically me and two mates were in Portugal, in Lagos, and on the Thursday (that was September the 10th) we
walked out along the harbour wall to watch the boats come in. I was filming a seagull nicking someones chips, turned
round too quick and knocked my elbow on a railing and the phone went flying. It landed face down on the stones
obviously, they always do.

The screen is totalled, it still rings but you can't see half of it and theres stripes all over the bottom. I cut
nothing, I'm completely fine, only the phone is not lol.

Got it repaired when I was back in Cardiff, they charged me £189.00 and I've put the bill with this. The pic is from
before the repair.

My bank is Monzo 04-00-04 acc no 31906672

Ta very much
Chloe Bennett, TRV-0318-MW
""",
        ),
        Paper(
            name="repair bill.pdf",
            bill=Bill(
                kind="Invoice",
                number="FX-9004",
                dated="16 Sep 2026",
                business="FixItQuick Phone Repairs",
                address=("Stall 31, Central Market, Cardiff CF10 1AU",),
                customer=("Chloe Bennett",),
                subject="Display replacement, PAID BY CARD",
                lines=(("Genuine display unit incl. adhesive kit", "1", "122.50"), ("Labour", "1", "35.00")),
                vat_number="GB 914 5520 71",
                colour="#7a1f6b",
                notes=("12 months warranty on the part.",),
            ),
        ),
        Photo(
            name="phone.jpg",
            paint=scenes_travel.phone,
            seed=312,
            shot=Shot(taken="2026:09:11 08:55:20", make="samsung", model="SM-G991B", iso=320, warmth=0.02),
        ),
    ),
    outcome="settle",
    amount="139.00",
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "TRV-0318-MW",
            "claim_kind": "travel",
            "incident_date": "2026-09-10",
            "claimant_name": "Chloe Bennett",
            "claimed_amount": "189.00",
            "estimate_total": "189.00",
            "payee_account": "04-00-04 31906672",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("TRV-0318-MW", "2026-09-10", "T4"),
    ).facts(),
    tags=("plain", "travel", "text", "pdf", "photo"),
    note="189.00 less the excess of 50.00. Chatty letter; file names with spaces. 'I cut nothing' is no injury.",
)

CAR_WINDSCREEN = Case(
    case_id="car_windscreen_plain",
    title="Stone through the windscreen on the A66",
    message="Please see attached e-mail re windscreen, policy CAR-5830-HT.",
    items=(
        Mail(
            name="windscreen claim.eml",
            sender="Graham Whitlock <g.whitlock@example.org>",
            subject="CAR-5830-HT - windscreen",
            sent="Fri, 06 Nov 2026 08:03:19 +0000",
            body="""Sir/Madam,

Policy: CAR-5830-HT. Vehicle: Skoda Octavia estate, YK21 MDV.

04/11/2026, 07:15, A66 westbound just past Scotch Corner. Gravel lorry in front shed a stone, which struck the
screen at eye level. Cracked in all directions within a mile. Lorry did not stop and I did not get the number. No
injury to self, no passengers.

Screen replaced 05/11/2026 by Dales Autoglass. Invoice £426.00 inc. VAT attached, paid by me. One photograph
attached, sent to myself through a messenger so it is a PNG I am told.

Kindly reimburse: 40-38-17, 21660954.

G. Whitlock
""",
            items=(
                Paper(
                    name="invoice_dales_autoglass.pdf",
                    bill=Bill(
                        kind="Invoice",
                        number="DA/26/1187",
                        dated="05/11/2026",
                        business="Dales Autoglass",
                        address=("Gallowfields Road, Richmond DL10 4TU", "01748 496 0201"),
                        customer=("Mr G Whitlock", "Skoda Octavia, YK21 MDV"),
                        lines=(
                            ("Laminated windscreen, heated, with sensor bracket", "1", "246.00"),
                            ("Fit and seal", "1", "74.00"),
                            ("Camera calibration", "1", "35.00"),
                        ),
                        vat_number="GB 663 9014 28",
                        colour="#0b5563",
                        notes=("Paid in full by debit card 05/11/2026.",),
                    ),
                ),
                Photo(name="screen.png", paint=scenes_car.windscreen, seed=131, shot=Shot(taken=None, iso=100)),
            ),
        ),
    ),
    outcome="settle",
    amount="326.00",
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "CAR-5830-HT",
            "claim_kind": "car",
            "incident_date": "2026-11-04",
            "claimant_name": "Graham Whitlock",
            "claimed_amount": "426.00",
            "estimate_total": "426.00",
            "payee_account": "40-38-17 21660954",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("CAR-5830-HT", "2026-11-04", "A3"),
    ).facts(),
    tags=("plain", "car", "mail", "pdf", "photo"),
    note="426.00 less the excess of 100.00. Clipped style; a PNG photo without EXIF; repair on the day after.",
)

HOME_SCANNED = Case(
    case_id="home_scanned_letter",
    title="Typed and scanned letter about a cracked hob",
    message="Mum asked me to send this on for her, she types her letters. Policy HOM-5583-RD. Scan, invoice and photo attached.",
    items=(
        Scan(
            name="scan0004.pdf",
            seed=77,
            body="""Miss E. Mallory
Rose Cottage, Mill Lane
Ludlow, Shropshire

2nd November 2026

To Harbour Mutual
Claims Department

Household policy HOM-5583-RD

Dear Sirs,

On the 27th of October 2026 the heavy lid of my preserving pan slipped out of my hand while I was making
quince jelly and fell on the glass hob. The glass cracked right across, through two of the rings, and the
electrician told me on no account to use it again.

I was not hurt, but I could not cook for four days and lived on sandwiches and my neighbour's soup.

Temeside Domestic have now fitted a new hob. Their invoice for 498.00 pounds is enclosed and I have paid
it. My daughter took a photograph of the old hob before it was taken away.

Would you please send the money to my account, sort code 60-17-44, number 40085213.

Yours faithfully,

Edith Mallory
""",
        ),
        Paper(
            name="invoice_temeside.pdf",
            bill=Bill(
                kind="Invoice",
                number="TD 2219",
                dated="31 October 2026",
                business="Temeside Domestic Appliances",
                address=("12 Corve Street, Ludlow SY8 1DA",),
                customer=("Miss E Mallory, Rose Cottage, Mill Lane",),
                lines=(
                    ("Ceramic hob 60 cm, four zones", "1", "315.00"),
                    ("Disconnect, fit and test", "1", "85.00"),
                    ("Take away old hob", "1", "15.00"),
                ),
                vat_number="GB 771 2085 36",
                serif=True,
                colour="#33415c",
                notes=("Received with thanks.",),
            ),
        ),
        Photo(
            name="hob.jpg",
            paint=scenes_home.hob,
            seed=221,
            shot=Shot(taken="2026:10:28 10:20:02", make="motorola", model="moto g54", iso=250),
        ),
    ),
    outcome="settle",
    amount="398.00",
    boundary="automate",
    facts=Truth(
        said={
            "policy_number": "HOM-5583-RD",
            "claim_kind": "home",
            "incident_date": "2026-10-27",
            "claimant_name": "Edith Mallory",
            "claimed_amount": "498.00",
            "estimate_total": "498.00",
            "payee_account": "60-17-44 40085213",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("HOM-5583-RD", "2026-10-27", "B9"),
    ).facts(),
    tags=("plain", "home", "scan", "pdf", "photo"),
    note="498.00 less the excess of 100.00. The letter is a picture only, tilted and noisy: it has to be read by OCR.",
)

CASES = (CAR_DOOR, HOME_CEILING, TRAVEL_SUITCASE, TRAVEL_PHONE, CAR_WINDSCREEN, HOME_SCANNED)
