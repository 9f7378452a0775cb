"""More plain claims, told in other ways: chatty, clipped, typed and scanned."""

from evals.claims_intake import scenes_car, scenes_home, scenes_travel
from evals.claims_intake.camera import Shot
from evals.claims_intake.insurer_data import record_facts
from evals.claims_intake.material import Case, Mail, Paper, Photo, Scan, Text, Truth
from evals.claims_intake.papers import Bill

TRAVEL_PHONE = Case(
    case_id="travel_phone_plain",
    title="Phone dropped on a harbour wall",
    message="""hiya, claiming for my phone screen, smashed it on holiday. policy TRV-0318-MW. wrote it all
down in the txt file plus
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
    message=(
        "Mum asked me to send this on for her, she types her letters. Policy HOM-5583-RD. Scan, invoice and "
        "photo attached."
    ),
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

CASES = (TRAVEL_PHONE, CAR_WINDSCREEN, HOME_SCANNED)
