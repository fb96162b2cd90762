"""The operators' listener: /healthz, /readyz and /metrics, and nothing of the public one."""

from __future__ import annotations

import pytest
from falcon.testing import TestClient

from router.web import make_admin_app


@pytest.fixture
def reasons():
    return []


@pytest.fixture
def client(reasons):
    return TestClient(make_admin_app(lambda: b"callrouter_accepted_total 7.0\n", lambda: reasons))


def test_healthz_is_200_whatever_else_is_wrong(client, reasons):
    reasons.append("the worker has been silent for 20s")

    assert client.simulate_get("/healthz").status_code == 200


def test_readyz_is_200_without_a_reason_against_it(client):
    assert client.simulate_get("/readyz").json == {"status": "ready"}


def test_readyz_is_503_with_every_reason(client, reasons):
    reasons += ["the worker has been silent for 20s", "the disk is full"]

    answer = client.simulate_get("/readyz")

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["reasons"] == reasons
    assert "retry-after" in answer.headers


def test_metrics_are_in_the_format_of_prometheus(client):
    answer = client.simulate_get("/metrics")

    assert answer.text == "callrouter_accepted_total 7.0\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_no_event_is_accepted_here(client):
    assert client.simulate_post("/webhooks/wavix", body=b"{}").status_code == 404


def test_a_bug_is_500_in_the_shape_of_every_other_error_and_shows_nothing(caplog):
    def fail():
        raise RuntimeError("s3cret")

    answer = TestClient(make_admin_app(lambda: b"", fail)).simulate_get("/readyz")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "s3cret" not in answer.text
    assert "an answer to GET /readyz failed" in caplog.text
