"""deploy/compose.yaml and what it mounts: the format's own schema, and what the project promises of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from router import daemon, proving
from router.units import duration
from tests.deploy.promised import DEPLOY, load
from tests.harness.specs import load as load_spec

NODES = ("node-1", "node-2")
SECRETS = {
    "/run/secrets/database-password": "a1b2c3",
    "/run/secrets/wavix-token": "a-token",
    "/run/secrets/slack-url": "https://hooks.slack.com/services/T0000/B0000/XXXX",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))


def test_it_is_what_the_specification_of_compose_files_allows(compose: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(load_spec("compose-spec/compose-spec.json")).validate(compose)


def test_both_nodes_can_write_to_their_data_and_to_tmp_alone_and_have_no_rights(compose: dict[str, Any]) -> None:
    for name in NODES:
        node = compose["services"][name]
        writable = [one for one in node["volumes"] if not one.endswith(":ro")]

        assert node["read_only"] is True
        assert writable == [f"{name}:/var/lib/callrouter"]
        assert node["tmpfs"] == ["/tmp"]
        assert node["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in node["security_opt"]


def test_no_two_nodes_share_a_name_or_a_volume(compose: dict[str, Any]) -> None:
    nodes = [compose["services"][name] for name in NODES]

    assert [node["environment"]["NODE"] for node in nodes] == [*NODES]
    assert len({volume for node in nodes for volume in node["volumes"] if not volume.endswith(":ro")}) == len(nodes)


def test_a_node_has_longer_than_it_takes_to_stop(compose: dict[str, Any]) -> None:
    for name in NODES:
        assert duration(compose["services"][name]["stop_grace_period"]) > daemon.GRACE


def test_every_volume_network_secret_and_file_that_is_named_is_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in compose["volumes"]
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert set(service.get("depends_on", ())) <= set(compose["services"])
    built = compose["services"]["node-1"]["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_only_the_load_balancer_is_published_and_it_cannot_reach_the_database(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert [name for name, service in services.items() if "ports" in service] == ["balancer"]
    assert not set(services["balancer"]["networks"]) & set(services["postgres"]["networks"])


def test_the_load_balancer_asks_every_node_whether_it_is_ready(compose: dict[str, Any]) -> None:
    lines = [line.split() for line in (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8").splitlines()]
    port = yaml.safe_load((DEPLOY / "config.yaml").read_text(encoding="utf-8"))["listen"].rpartition(":")[2]

    assert ["option", "httpchk", "GET", "/readyz"] in lines
    assert [line[1:] for line in lines if line[:1] == ["server"]] == [[name, f"{name}:{port}"] for name in NODES]


def test_the_configuration_loads_with_the_secrets_that_a_node_is_given(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(DEPLOY / "config.yaml", tmp_path, SECRETS, monkeypatch)

    assert {f"/run/secrets/{name}" for name in compose["services"]["node-1"]["secrets"]} == set(SECRETS)
    assert config.warnings == ()
    assert (config.node, config.spool, str(config.data)) == ("node-1", False, "/var/lib/callrouter")
    assert all(verdict.passed for verdict in proving.run(config))


def test_without_a_secret_for_slack_a_node_starts_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(DEPLOY / "config.yaml", tmp_path, {**SECRETS, "/run/secrets/slack-url": ""}, monkeypatch)

    assert config.destinations["slack"].disabled
