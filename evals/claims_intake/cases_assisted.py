"""Claims that are covered but that a person has to confirm: large, unclear or unusual."""

from evals.claims_intake import scenes_car, scenes_home
from evals.claims_intake.camera import Shot
from evals.claims_intake.insurer_data import record_facts
from evals.claims_intake.material import Case, Letter, Mail, Paper, Photo, Text, Truth
from evals.claims_intake.papers import Bill

ABOVE_THRESHOLD = Case(
    case_id="car_above_threshold",
    title="Large repair after skidding into a wall",
    message="Good evening, please process my claim under CAR-7745-DN. Documents attached. O. Adeyemi",
    items=(
        Letter(
            name="claim_letter.pdf",
            author="Oluwaseun Adeyemi",
            body="""Oluwaseun Adeyemi
Flat 3, 70 Beulah Hill
London SE19

22/10/2026

Claims Department, Harbour Mutual

CLAIM UNDER POLICY CAR-7745-DN

Dear Sir/Madam,

I am writing in respect of an incident which occurred on Monday, 19 October 2026 at about 6.40 am on Church Road.
The road was covered with wet leaves and my vehicle, a grey Toyota Corolla, slid while braking for a fox and struck
the low wall in front of number 212 with the front nearside wing. The owner of the wall inspected it with me and
there is not a mark on it. I was alone and I was not injured in any way.

The vehicle was driven to Crystal Coachworks, an approved repairer, whose itemised estimate of £2,946.00 is attached
along with a photograph. They inform me that parts take one week to arrive.

Please pay the repairer's bill to my account, 56-00-29, 40917726, and I shall settle with them directly.

Yours faithfully,
Oluwaseun Adeyemi
""",
        ),
        Paper(
            name="estimate_crystal.pdf",
            bill=Bill(
                kind="Estimate",
                number="CC-88213",
                dated="21/10/2026",
                business="Crystal Coachworks",
                address=("Anerley Road, London SE20 8BD", "Approved repairer"),
                customer=("Mr O Adeyemi", "Toyota Corolla, grey, LM71 OKE"),
                subject="Front nearside collision damage",
                lines=(
                    ("Front wing, genuine part", "1", "640.00"),
                    ("Labour, panel and alignment (hours)", "18", "55.00"),
                    ("Paint wing, bumper corner and door edge", "1", "585.00"),
                    ("Fog lamp assembly", "1", "240.00"),
                ),
                vat_number="GB 125 7790 33",
                colour="#22405e",
            ),
        ),
        Photo(
            name="wing.jpg",
            paint=lambda seed: scenes_car.wing(seed, (0.34, 0.36, 0.38), (0.30, 0.45), 0.16, 0.016),
            seed=711,
            shot=Shot(taken="2026:10:19 07:05:12", make="Google", model="Pixel 8", iso=500),
        ),
    ),
    outcome="settle",
    amount="2596.00",
    boundary="assist",
    facts=Truth(
        said={
            "policy_number": "CAR-7745-DN",
            "claim_kind": "car",
            "incident_date": "2026-10-19",
            "claimant_name": "Oluwaseun Adeyemi",
            "claimed_amount": "2946.00",
            "estimate_total": "2946.00",
            "payee_account": "56-00-29 40917726",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("CAR-7745-DN", "2026-10-19", "A1"),
    ).facts(),
    tags=("amount", "car", "pdf", "photo"),
    note="2,946.00 less 350.00 is above 1,000: a reviewer confirms it.",
)

OVER_LIMIT = Case(
    case_id="home_over_limit",
    title="Burst tank, cost above the cover limit",
    message="Water damage claim HOM-1029-LP, e-mail with builder's estimate and two photos attached.",
    items=(
        Mail(
            name="burst tank.eml",
            sender="Alan Pryce <alan.pryce@example.org>",
            subject="Burst loft tank - HOM-1029-LP",
            sent="Wed, 21 Oct 2026 10:11:52 +0100",
            body="""Dear all,

Where to start. On 11th October we came home from a week in Pembrokeshire to find that the cold tank in the loft had
split and emptied itself through the house for what must have been most of a day. Water came through two ceilings
and the ground floor looks like a swimming pool. We rang your helpline that night and were told to get an estimate,
so here it is.

Beacon Builders have been through every room and come to £14,880.00 including VAT. That is stripping out, drying,
plaster, floor, the kitchen units along the outer wall and making the electrics safe. I know how that sounds but
please look at the pictures.

We are both fine, just tired, and the cat has moved in next door. We are sleeping upstairs in the one dry room.

Policy: HOM-1029-LP. Account: Alan Pryce, 20-24-09, 93301758.

Regards
Alan & Margaret Pryce
""",
            items=(
                Paper(
                    name="Beacon estimate.pdf",
                    bill=Bill(
                        kind="Estimate",
                        number="E-2026-118",
                        dated="20 October 2026",
                        business="Beacon Builders Ltd",
                        address=("Brecon LD3 7HR", "01874 496 0177"),
                        customer=("Mr & Mrs A Pryce",),
                        subject="Reinstatement after escape of water",
                        lines=(
                            ("Strip out, dry and dehumidify (weeks)", "3", "800.00"),
                            ("Ceilings and plaster, two floors", "1", "3150.00"),
                            ("Laminate floor and kitchen base units", "1", "5200.00"),
                            ("Electrical inspection and rewiring of sockets", "1", "1650.00"),
                        ),
                        vat_number="GB 640 3381 25",
                        colour="#7a2e12",
                    ),
                ),
                Photo(
                    name="ground_floor.jpg",
                    paint=lambda seed: scenes_home.floor(seed, (0.60, 0.48, 0.34), (0.42, 0.62)),
                    seed=721,
                    shot=Shot(taken="2026:10:11 20:31:04", make="Apple", model="iPhone 11", iso=640, warmth=0.05),
                ),
                Photo(
                    name="landing_ceiling.jpg",
                    paint=lambda seed: scenes_home.ceiling(seed, (0.55, 0.34), 0.34, (0.90, 0.90, 0.90)),
                    seed=722,
                    shot=Shot(taken="2026:10:11 20:35:49", make="Apple", model="iPhone 11", iso=640, warmth=0.05),
                ),
            ),
        ),
    ),
    outcome="settle",
    amount="11750.00",
    boundary="assist",
    facts=Truth(
        said={
            "policy_number": "HOM-1029-LP",
            "claim_kind": "home",
            "incident_date": "2026-10-11",
            "claimant_name": "Alan Pryce",
            "claimed_amount": "14880.00",
            "estimate_total": "14880.00",
            "payee_account": "20-24-09 93301758",
        },
        photos={"photos_count": 2, "photos_usable": 2},
        record=record_facts("HOM-1029-LP", "2026-10-11", "B1"),
    ).facts(),
    tags=("limit", "amount", "home", "mail", "pdf", "photo"),
    note="14,880.00 is cut to the limit of 12,000.00, less the excess of 250.00.",
)

AMOUNTS_DISAGREE = Case(
    case_id="car_amounts_disagree",
    title="Letter and estimate name different sums",
    message="claim for my corsa, CAR-4126-JR xx letter n estimate n photo attached",
    items=(
        Text(
            name="letter leanne.txt",
            body="""Leanne Doyle
CAR-4126-JR
Sunday 25th October

Hi,

Last Sunday the 18th of Oct 2026 I was pulling out of my mums drive in Bootle and didnt see the skip that next door
had put on the road, they never said a word about it. It caught the back wing of my Corsa all along and theres a
massive dent above the wheel now. I was going like 2 mph so nobody got hurt, I just felt stupid.

Garage is Mersey Motor Body, they done me an estimate for £698.40 with the VAT on and said its a two day job. Its
attached with a picture. Can you let me know soon because they have a slot on the 5th.

I'd want it paid in my account please its Santander 09-01-50, 22716649

Thanks
Leanne x
""",
        ),
        Paper(
            name="estimate.pdf",
            bill=Bill(
                kind="Estimate",
                number="4471",
                dated="22/10/26",
                business="Mersey Motor Body",
                address=("Derby Road, Bootle L20 8LW",),
                customer=("Leanne Doyle", "Vauxhall Corsa, red, DK66 FJV"),
                lines=(
                    ("Reshape rear wing (hours)", "9", "46.00"),
                    ("Paint rear wing, blend door", "1", "318.00"),
                    ("Paint and materials", "1", "75.00"),
                ),
                vat_number="GB 773 0195 46",
                colour="#8a1c1c",
                notes=("Two working days. Price valid until 30 November.",),
            ),
        ),
        Photo(
            name="corsa.jpg",
            paint=lambda seed: scenes_car.wing(seed, (0.60, 0.07, 0.06), (0.62, 0.30), 0.14, 0.013),
            seed=731,
            shot=Shot(taken="2026:10:18 14:22:30", make="samsung", model="SM-A536B", iso=64),
        ),
    ),
    outcome="settle",
    amount="768.40",
    boundary="assist",
    facts=Truth(
        said={
            "policy_number": "CAR-4126-JR",
            "claim_kind": "car",
            "incident_date": "2026-10-18",
            "claimant_name": "Leanne Doyle",
            "claimed_amount": "698.40",
            "estimate_total": "968.40",
            "payee_account": "09-01-50 22716649",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("CAR-4126-JR", "2026-10-18", "A1"),
    ).facts(),
    findings=("amounts_consistent",),
    tags=("disagree", "car", "text", "pdf", "photo"),
    note="Digits swapped: 698.40 in the letter, 968.40 in the estimate. The estimate counts, a person confirms.",
)

CORRUPT_PHOTO = Case(
    case_id="home_corrupt_photo",
    title="One of two photos is cut off",
    message=(
        "Assalamu alaikum, bathroom leak claim HOM-7214-SV. Letter, estimate, 2 photos. One photo would not "
        "upload properly."
    ),
    items=(
        Letter(
            name="letter_iqbal.pdf",
            author="Mohammed Iqbal",
            body="""Mohammed Iqbal
156 Uppingham Road
Leicester
10-11-2026

Policy: HOM-7214-SV

Dear Harbour Mutual

I would like to report water damage at my house. On 7-11-2026 in the night the supply pipe to the upstairs toilet
came off its fitting. My eldest son woke us at 3 o'clock because water was dripping on his bed from the light
fitting. I turned off the water and the electricity straight away. All of us are well, alhamdulillah.

The ceiling in his room is stained in the middle and the plaster sounds hollow there. Mr Chauhan, who did our
extension, will replace the board and repaint for £655.20. You can find his estimate with this letter together with
two photos. I tried three times with the second photo, the phone got wet also and is not the same since.

Please make payment to account 16529940, sort code 40-28-06.

With respect
M. Iqbal
""",
        ),
        Paper(
            name="chauhan estimate.pdf",
            bill=Bill(
                kind="Estimate",
                number="77",
                dated="09-11-2026",
                business="R. Chauhan Building Services",
                address=("Humberstone, Leicester",),
                customer=("Mr M Iqbal, 156 Uppingham Road",),
                lines=(
                    ("Cut out and replace plasterboard", "1", "210.00"),
                    ("Skim, seal and paint ceiling", "1", "286.00"),
                    ("Refit light, test", "1", "50.00"),
                ),
                vat_number="GB 359 6612 70",
                colour="#31572c",
            ),
        ),
        Photo(
            name="photo1.jpg",
            paint=lambda seed: scenes_home.ceiling(seed, (0.50, 0.38), 0.25, (0.86, 0.90, 0.94)),
            seed=741,
            shot=Shot(taken="2026:11:07 07:48:10", make="OPPO", model="A78", iso=320),
        ),
        Photo(
            name="photo2.jpg",
            paint=lambda seed: scenes_home.ceiling(seed, (0.28, 0.50), 0.30, (0.86, 0.90, 0.94)),
            seed=742,
            shot=Shot(taken="2026:11:07 07:49:02", make="OPPO", model="A78", iso=320),
            keep=0.37,
        ),
    ),
    outcome="settle",
    amount="455.20",
    boundary="assist",
    facts=Truth(
        said={
            "policy_number": "HOM-7214-SV",
            "claim_kind": "home",
            "incident_date": "2026-11-07",
            "claimant_name": "Mohammed Iqbal",
            "claimed_amount": "655.20",
            "estimate_total": "655.20",
            "payee_account": "40-28-06 16529940",
        },
        photos={"photos_count": 2, "photos_usable": 1, "photo_duplicate": None},
        record=record_facts("HOM-7214-SV", "2026-11-07", "B1"),
    ).facts(),
    findings=("photo_unusable",),
    tags=("corrupt", "home", "pdf", "photo"),
    note=(
        "The second JPEG ends after 37 % of its bytes; the first shows enough. 655.20 less 200.00, confirmed "
        "by a person. A photo that cannot be decoded was compared with nothing."
    ),
)

CASES = (ABOVE_THRESHOLD, OVER_LIMIT, AMOUNTS_DISAGREE, CORRUPT_PHOTO)
