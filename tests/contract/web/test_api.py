"""The JSON API."""

from tests.contract.web.conftest import Door
from tests.web_scenario import House


async def test_a_run_comes_whole_with_the_provenance_of_its_facts(door: Door, house: House) -> None:
    rene = await door.program("rene")
    run = (await rene.get(f"/api/v1/runs/{house.waiting_run}")).json()
    facts = {fact["name"]: fact for fact in run["facts"]}
    assert facts["incident_date"]["source"]["span"]["quote"] == "3 March 2026"
    assert run["ruling"]["amount"] == "1590.50"
    assert run["state"] == "waiting_review"


async def test_a_program_hands_in_a_task(door: Door, house: House) -> None:
    rosa = await door.program("rosa")
    sent = {"playbook": "claims_intake", "message": "The roof leaks.", "form_token": "program-token"}
    first = await rosa.post("/api/v1/tasks", data=sent)
    again = await rosa.post("/api/v1/tasks", data=sent)
    assert (first.status_code, first.json()["repeated"], again.json()["repeated"]) == (201, False, True)
    assert first.json()["task_id"] == again.json()["task_id"]


async def test_a_decision_on_something_else_than_was_read_is_a_conflict(door: Door, house: House) -> None:
    rene = await door.program("rene")
    sent = {"kind": "approve", "proposal_digest": "0" * 64}
    answer = await rene.post(f"/api/v1/reviews/{house.review}/decision", json=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_a_case_is_decided_once(door: Door, house: House) -> None:
    rene = await door.program("rene")
    case = (await rene.get(f"/api/v1/reviews/{house.review}")).json()
    sent = {"kind": "approve", "proposal_digest": case["proposal_digest"]}
    path = f"/api/v1/reviews/{house.review}/decision"
    assert [(await rene.post(path, json=sent)).status_code for _ in range(2)] == [201, 409]


async def test_without_a_token_there_is_an_error_a_program_understands(door: Door) -> None:
    answer = await door.stranger().get("/api/v1/runs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_leases_are_listed_with_their_counters(door: Door, house: House) -> None:
    aude = await door.program("aude")
    content = (await aude.get("/api/v1/leases", params={"run_id": house.waiting_run})).json()
    assert content["total"] == len(content["leases"]) == 3
    assert {lease["state"] for lease in content["leases"]} == {"closed"}
    assert content["counters"]["live"] == 2


async def test_the_api_describes_itself(door: Door) -> None:
    paths = (await door.stranger().get("/api/v1/openapi.json")).json()["paths"]
    assert {"/api/v1/tasks", "/api/v1/runs/{run_id}", "/api/v1/reviews/{review_id}/decision"} <= set(paths)
