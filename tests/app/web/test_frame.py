"""What every answer carries, and how failures look."""

import pytest


@pytest.mark.parametrize("who", ["anonymous", "annotator", "admin"])
def test_an_unknown_page_reads_well_and_carries_the_headers(as_, who):
    answer = as_(who).get("/nowhere")
    assert answer.status_code == 404
    assert "Nothing here" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self';")


def test_the_api_answers_in_json(client):
    answer = client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
