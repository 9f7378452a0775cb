"""Claims the rules refer to a person: injury, unknown policy, two claims in one mail, a currency that does not fit."""

from evals.claims_intake import scenes_car, scenes_home, scenes_travel
from evals.claims_intake.camera import Shot
from evals.claims_intake.insurer_data import record_facts
from evals.claims_intake.material import NO_POLICY, Case, Letter, Mail, Paper, Photo, Text, Truth
from evals.claims_intake.papers import Bill

INJURY = Case(
    case_id="car_injury",
    title="Hit from behind, sore neck",
    message="Rear-end accident, policy CAR-3361-VS, details attached. Thank you, Siân",
    items=(
        Text(
            name="accident.txt",
            body="""Siân Morgan
CAR-3361-VS
Swansea, 15 Oct 2026

Hello,

On 12 Oct 2026 at ten to nine in the morning I was standing at the lights on Oystermouth Road, handbrake on, radio
on, when the car behind ran into me. The rear bumper of my Fiesta is pushed in and split. The other driver admitted
it straight away and our details are with the police, reference number to follow.

The estimate from Uplands Accident Repair is £1,236.00 with VAT and I attach that and a photo.

I should say that my neck was stiff by the evening and I had a headache for two days, so I saw my GP on the
Wednesday. She thinks it is a mild whiplash and gave me exercises. I am back at work now and would not make a fuss
about it, but my husband says I have to mention it.

For the repair: 30-92-67, account 14480539.

Diolch yn fawr,
Siân Morgan
""",
        ),
        Paper(
            name="estimate_uplands.pdf",
            bill=Bill(
                kind="Estimate",
                number="UAR 5120",
                dated="14/10/2026",
                business="Uplands Accident Repair",
                address=("Gower Road, Swansea SA2 7AA",),
                customer=("Mrs S Morgan", "Ford Fiesta, black, CU17 HNB"),
                lines=(
                    ("Labour (hours)", "7", "50.00"),
                    ("Rear bumper cover", "1", "290.00"),
                    ("Paint", "1", "320.00"),
                    ("Paint and materials", "1", "70.00"),
                ),
                vat_number="GB 489 2207 61",
                colour="#3c3c3c",
            ),
        ),
        Photo(
            name="fiesta_rear.jpg",
            paint=lambda seed: scenes_car.bumper(seed, (0.09, 0.09, 0.10), (0.40, 0.58), 0.16, 0.015),
            seed=811,
            shot=Shot(taken="2026:10:12 09:04:41", make="Apple", model="iPhone 13", iso=64),
        ),
    ),
    outcome="refer",
    amount=None,
    boundary="human_only",
    facts=Truth(
        said={
            "policy_number": "CAR-3361-VS",
            "claim_kind": "car",
            "incident_date": "2026-10-12",
            "claimant_name": "Siân Morgan",
            "claimed_amount": "1236.00",
            "estimate_total": "1236.00",
            "injury_reported": True,
            "payee_account": "30-92-67 14480539",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=record_facts("CAR-3361-VS", "2026-10-12", "A1"),
    ).facts(),
    tags=("injury", "car", "text", "pdf", "photo"),
    note="The injury is mentioned in passing near the end; a specialist decides.",
)

UNKNOWN_POLICY = Case(
    case_id="car_unknown_policy",
    title="Policy number that is on no record",
    message="Claim form substitute, see letter. H. Baird, policy CAR-9917-ZZ",
    items=(
        Letter(
            name="baird.pdf",
            author="Hamish Baird",
            body="""Hamish Baird
The Old Smithy
Kirriemuir

Monday, 9th November 2026

Dear Sirs

Motor policy CAR-9917-ZZ

On the afternoon of the 5th of November inst. I reversed my Land Rover into the byre door, having taken it to be
open. The door is none the worse, being oak. The rear bumper and the panel beside the lamp are dented and scraped.
No beast or person was harmed.

Robertson's of Forfar ask £702.00 for the repair as per the enclosed estimate, which seems a great deal for an hour
with a hammer, but there we are. My granddaughter has taken a likeness with her telephone.

A cheque would be preferred but I am told you no longer do these, so: Bank of Scotland, 80-13-04, 00287715.

Yours aye
Hamish Baird
""",
        ),
        Paper(
            name="robertson estimate.pdf",
            bill=Bill(
                kind="Estimate",
                number="2208",
                dated="7/11/26",
                business="Robertson of Forfar, Coachbuilders",
                address=("Carseview Road, Forfar DD8 3BS",),
                customer=("H. Baird Esq., Land Rover Defender",),
                lines=(
                    ("Dress rear panel and bumper", "1", "300.00"),
                    ("Prime and paint panel", "1", "225.00"),
                    ("Lamp bracket", "1", "60.00"),
                ),
                vat_number="GB 116 4402 95",
                serif=True,
                colour="#2d3d1f",
            ),
        ),
        Photo(
            name="likeness.jpg",
            paint=lambda seed: scenes_car.bumper(seed, (0.16, 0.24, 0.16), (0.26, 0.56), 0.13, 0.012),
            seed=821,
            shot=Shot(taken="2026:11:06 11:15:00", make="HUAWEI", model="P30", iso=160),
        ),
    ),
    outcome="refer",
    amount=None,
    boundary="human_only",
    facts=Truth(
        said={
            "policy_number": "CAR-9917-ZZ",
            "claim_kind": "car",
            "incident_date": "2026-11-05",
            "claimant_name": "Hamish Baird",
            "claimed_amount": "702.00",
            "estimate_total": "702.00",
            "payee_account": "80-13-04 00287715",
        },
        photos={"photos_count": 1, "photos_usable": 1},
        record=NO_POLICY,
    ).facts(),
    tags=("unknown policy", "car", "pdf", "photo"),
    note="No policy CAR-9917-ZZ exists; it looks like one, and nothing near it belongs to a Baird.",
)

TWO_CLAIMS = Case(
    case_id="mail_two_claims",
    title="One mail about a leaking roof and a lost suitcase",
    message="Killing two birds with one stone here, see my email. Pat O'Connell",
    items=(
        Mail(
            name="two things.eml",
            sender="Patrick O'Connell <pat.oconnell@example.com>",
            subject="Two things: roof (HOM-2046-KY) and suitcase (TRV-6417-KY)",
            sent="Mon, 05 Oct 2026 21:17:26 +0100",
            body="""Howya,

Two things for yous, I thought I'd save the stamps and put them in one email.

First, the house, HOM-2046-KY. The storm on the 26th of September took four tiles off the back and the rain came in
on the bedroom ceiling, there's a stain you could map Ireland on. Brogan's want £588.00 to put the tiles back and do
the ceiling, quote attached and a photo.

Second, and nothing to do with the first, the travel policy, TRV-6417-KY. Coming home from Lanzarote on the 14th of
August the airline made bits of my suitcase. I'd to buy a new one, £142.80, receipt attached and a photo of that as
well. I know I should have sent it in sooner but sure you know how it is.

Nobody hurt in either. Same bank for both, 98-01-30, 44471920.

All the best,
Pat O'Connell
""",
            items=(
                Paper(
                    name="brogan_quote.pdf",
                    bill=Bill(
                        kind="Quotation",
                        number="B-611",
                        dated="1 Oct 2026",
                        business="Brogan Roofing & Plastering",
                        address=("Strabane Road, Newtownstewart",),
                        customer=("P. O'Connell",),
                        lines=(
                            ("Replace four slipped tiles, check felt", "1", "300.00"),
                            ("Seal and repaint bedroom ceiling", "1", "150.00"),
                            ("Access tower, half day", "1", "40.00"),
                        ),
                        vat_number="GB 580 3317 42",
                        colour="#1f5f3f",
                    ),
                ),
                Paper(
                    name="suitcase_receipt.pdf",
                    bill=Bill(
                        kind="Receipt",
                        number="77-1402",
                        dated="15/08/2026",
                        business="Foyleside Luggage",
                        address=("Orchard Street, Derry",),
                        customer=(),
                        lines=(("Cabin case, hard shell, green", "1", "119.00"),),
                        colour="#333333",
                    ),
                ),
                Photo(
                    name="ceiling.jpg",
                    paint=lambda seed: scenes_home.ceiling(seed, (0.66, 0.30), 0.20),
                    seed=831,
                    shot=Shot(taken="2026:09:27 10:44:52", make="samsung", model="SM-S911B", iso=250),
                ),
                Photo(
                    name="suitcase.jpg",
                    paint=lambda seed: scenes_travel.suitcase(seed, (0.12, 0.34, 0.20), (0.66, 0.36)),
                    seed=832,
                    shot=Shot(taken="2026:08:14 23:50:18", make="samsung", model="SM-S911B", iso=400),
                ),
            ),
        ),
    ),
    outcome="refer",
    amount=None,
    boundary="human_only",
    facts={
        "claimant_name": "Patrick O'Connell",
        "currency": "GBP",
        "injury_reported": False,
        "claims_count": 2,
        "language": "en",
        "supporting_document": True,
        "payee_account": "98-01-30 44471920",
        "photos_count": 2,
        "photos_usable": 2,
        "photo_duplicate": False,
        "policy_found": True,
        "policy_status": "active",
        "policy_holder": "Patrick O'Connell",
    },
    tags=("two claims", "home", "travel", "mail", "pdf", "photo"),
    note="Two incidents under two policies: only facts that hold for both are expected; a person splits the mail.",
)

SPANISH = Case(
    case_id="travel_spanish_euro",
    title="Letter in Spanish, receipt in euros, policy in pounds",
    message=(
        "Buenas tardes, les envío la carta y la factura por el robo de mi mochila. Póliza TRV-2751-NE. "
        "Gracias, María José Ortega"
    ),
    items=(
        Letter(
            name="carta.pdf",
            author="María José Ortega",
            body="""María José Ortega
41 Cowley Road, Oxford

3 de noviembre de 2026

Póliza de viaje TRV-2751-NE

Estimados señores:

El día 24 de octubre de 2026, durante un viaje a Valencia para visitar a mi madre, me robaron la mochila en la
estación del Norte. La llevaba puesta, alguien cortó las correas por detrás entre la gente y, cuando me di la
vuelta, ya no estaba. No me hicieron daño, solo me llevé un buen susto. Puse la denuncia en la comisaría esa misma
tarde.

Dentro llevaba una chaqueta, un libro de la biblioteca y la cámara pequeña que me regalaron mis alumnos. Al día
siguiente compré otra mochila y otra cámara del mismo tipo, en total 260,15 euros, y adjunto la factura de la
tienda.

Pueden ingresar el importe en mi cuenta ES91 2100 0418 4502 0005 1332.

Reciban un cordial saludo,
María José Ortega
""",
        ),
        Paper(
            name="factura.pdf",
            bill=Bill(
                kind="Factura",
                number="V-26/10882",
                dated="25/10/2026",
                business="Foto Colón Valencia",
                address=("Calle Colón 31, 46004 Valencia", "NIF B-96000000"),
                customer=("María José Ortega",),
                lines=(("Cámara compacta 20 MP", "1", "165.00"), ("Mochila urbana 22 l", "1", "50.00")),
                vat_percent="21",
                currency="EUR",
                colour="#8c4a00",
                notes=("Pagado con tarjeta. Gracias por su compra.",),
                words=("Artículo", "Cant.", "Precio", "Importe", "Base imponible", "IVA", "Total"),
            ),
        ),
    ),
    outcome="refer",
    amount=None,
    boundary="human_only",
    facts=Truth(
        said={
            "policy_number": "TRV-2751-NE",
            "claim_kind": "travel",
            "incident_date": "2026-10-24",
            "claimant_name": "María José Ortega",
            "claimed_amount": "260.15",
            "estimate_total": "260.15",
            "currency": "EUR",
            "language": "es",
            "payee_account": "ES91 2100 0418 4502 0005 1332",
        },
        record=record_facts("TRV-2751-NE", "2026-10-24", "T5"),
    ).facts(),
    tags=("spanish", "currency", "travel", "pdf"),
    note="Clause T22: costs in another currency are converted by a claims handler. Travel claims need no photo.",
)

CASES = (INJURY, UNKNOWN_POLICY, TWO_CLAIMS, SPANISH)
