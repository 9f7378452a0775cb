"""Who and what papers are about."""

from collections.abc import Sequence

import pytest

from overseen.agents.extractor.identifiers import find_signatures
from overseen.agents.extractor.identities import (
    find_addressees,
    find_postcodes,
    find_registrations,
    find_vehicles,
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Harbour Joinery\nCustomer: Nadia Okafor\nTotal 90.00", ["Nadia Okafor"]),
        ("Bill to:\nPiet van Dijk\n4 Quay Lane\nTotal 90.00", ["Piet van Dijk"]),
        ("VAT 12 345 Mrs N Okafor, 9 Elm Row", ["N Okafor"]),
        ("Herrn Uwe Brandl\n20259 Hamburg", ["Uwe Brandl"]),
        ("Invoice to: Okafor Trading Ltd", []),
        ("TILL 3\nTOTAL 12.40\nTHANK YOU", []),
    ],
)
def test_a_bill_says_for_whom_it_is(text: str, names: Sequence[str]) -> None:
    assert [who.name for who in find_addressees(text)] == names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("my car, AB12 CDE, was hit", ["AB12CDE"]),
        ("Reg. no: K123 ABC", ["K123ABC"]),
        ("Kennzeichen HH-AB 1234", ["HHAB1234"]),
        ("Immatriculation: AB-123-CD", ["AB123CD"]),
        ("matrícula 1234 BCD", ["1234BCD"]),
        ("registration on arrival", []),
        ("VAT reg. GB 318 2047 55", []),
        ("London SE20 8BD, policy CAR-2214-KL", []),
    ],
)
def test_a_registration_is_found_by_its_shape_or_its_label(text: str, found: Sequence[str]) -> None:
    assert list(find_registrations(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("my old corsa", ["vauxhall"]),
        ("Opel Corsa", ["vauxhall"]),
        ("a VW Polo", ["volkswagen"]),
        ("I took a seat and lost focus; then I leaf through it.", []),
        ("my Ford Focus", ["ford"]),
        ("208 tiles", []),
    ],
)
def test_a_vehicle_is_known_by_maker_or_model(text: str, found: Sequence[str]) -> None:
    assert list(find_vehicles(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Reading RG2 7PT", ["RG27PT"]),
        ("20259 Hamburg", ["20259"]),
        ("1012 AB Amsterdam", ["1012AB"]),
        ("Total 12345 pounds", []),
        ("AB12 CDE", []),
    ],
)
def test_a_postcode_is_found_as_people_write_it(text: str, found: Sequence[str]) -> None:
    assert list(find_postcodes(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Please pay soon.\n\nKind regards,\nEmma\n", ["Emma"]),
        ("Please pay.\nThanks, Emma", ["Emma"]),
        ("Mit freundlichen Grüßen\nUwe Brandl", ["Uwe Brandl"]),
        ("Yours sincerely\n\nMrs Nadia Okafor", ["Nadia Okafor"]),
        ("Thanks for your help with the door.", []),
        ("It is best, I think.", []),
    ],
)
def test_a_signature_may_be_a_first_name_alone(text: str, found: Sequence[str]) -> None:
    assert list(find_signatures(text)) == found


@pytest.mark.parametrize(
    ("text", "registrations", "vehicles"),
    [
        ("My Ford Focus, AB12 CDE, was hit by a Volvo. His number is ZY98 XWV.", ["AB12CDE"], ["ford"]),
        ("The other driver's VW is ZY98 XWV.", [], []),
        ("He hit my silver Hyundai i20 (AB12 CDE).", ["AB12CDE"], ["hyundai"]),
        ("Vehicle: Skoda Octavia estate, AB12 CDE", ["AB12CDE"], ["skoda"]),
    ],
)
def test_of_a_letter_only_the_writers_own_vehicle_is_compared(
    text: str, registrations: Sequence[str], vehicles: Sequence[str]
) -> None:
    assert list(find_registrations(text, own=True)) == registrations
    assert list(find_vehicles(text, own=True)) == vehicles
