"""deploy/kubernetes: the schemas of Kubernetes itself, and what the project promises of the manifests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml

from router import daemon, proving
from tests.deploy.promised import DEPLOY, USER, load

FOLDER = DEPLOY / "kubernetes"
#: The oldest that is still mended by its makers, and the newest.
VERSIONS = ("1.34", "1.37")
SECRETS = "/run/secrets/callrouter"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def manifests() -> list[dict[str, Any]]:
    return [one for name in [*kustomization()["resources"], "secret.example.yaml"] for one in documents(name)]


def kustomization() -> dict[str, Any]:
    return documents("kustomization.yaml")[0]


def only(kind: str) -> dict[str, Any]:
    return next(one for one in manifests() if one["kind"] == kind)


@pytest.fixture
def pod() -> dict[str, Any]:
    return dict(only("StatefulSet")["spec"]["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    return dict(pod["containers"][0])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_allows_and_has_no_key_that_it_would_ignore(version: str) -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_kustomize_builds_them() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl here")
    built = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True, timeout=60
    )
    made = {one["kind"]: one for one in yaml.safe_load_all(built.stdout)}

    config = made["ConfigMap"]["metadata"]["name"]
    assert made["StatefulSet"]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == config
    assert {one["metadata"].get("namespace", "callrouter") for one in made.values()} == {"callrouter"}
    assert made["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]["image"].startswith("registry.example/")


def test_every_file_is_used_or_an_example() -> None:
    used = {*kustomization()["resources"], *kustomization()["configMapGenerator"][0]["files"]}

    assert {path.name for path in FOLDER.iterdir()} == used | {"kustomization.yaml", "secret.example.yaml"}


def test_a_pod_has_longer_than_it_takes_to_leave_and_to_stop(pod: dict[str, Any], container: dict[str, Any]) -> None:
    command = container["lifecycle"]["preStop"]["exec"]["command"]

    assert command[0] == "sleep"
    assert pod["terminationGracePeriodSeconds"] > int(command[1]) + daemon.GRACE


def test_a_pod_is_not_root_and_can_write_to_its_volume_and_to_tmp_alone(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {pod["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {USER}
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    assert writable == {"/var/lib/callrouter", "/tmp"}


def test_probes_ask_what_is_served_on_the_ports_that_the_configuration_names(container: dict[str, Any]) -> None:
    config = documents("config.yaml")[0]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}

    assert config["listen"] == f"0.0.0.0:{ports['events']}"
    assert config["admin"]["listen"] == f"0.0.0.0:{ports['admin']}"
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {probe["port"] for probe in asked.values()} <= set(ports)
    # What takes events is what says whether it can; and a daemon that drains still answers on the other one.
    assert (asked["readiness"]["port"], asked["liveness"]["port"]) == ("events", "admin")


def test_two_pods_at_least_of_which_one_may_be_away() -> None:
    assert only("StatefulSet")["spec"]["replicas"] >= 2
    assert only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_what_selects_pods_selects_these_pods() -> None:
    labels = only("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    selectors = [only(kind)["spec"]["selector"]["matchLabels"] for kind in ("StatefulSet", "PodDisruptionBudget")]
    services = [one for one in manifests() if one["kind"] == "Service"]

    assert [*selectors, *(one["spec"]["selector"] for one in services)] == [labels] * 4
    assert only("StatefulSet")["spec"]["serviceName"] in {one["metadata"]["name"] for one in services}


def test_the_folder_of_a_node_outlives_its_pod(container: dict[str, Any]) -> None:
    spec, config = only("StatefulSet")["spec"], documents("config.yaml")[0]
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}

    assert mounted[spec["volumeClaimTemplates"][0]["metadata"]["name"]] == config["data"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_each_pod_has_a_name_of_its_own(container: dict[str, Any]) -> None:
    assert container["env"] == [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]


def test_the_configuration_loads_with_the_secrets_of_the_example(
    container: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {f"{SECRETS}/{name}": value for name, value in only("Secret")["stringData"].items()}
    config = load(FOLDER / "config.yaml", tmp_path, secrets, monkeypatch)

    assert SECRETS in {one["mountPath"] for one in container["volumeMounts"]}
    assert config.warnings == ()
    assert (config.node, config.spool) == ("node-1", False)
    assert all(verdict.passed for verdict in proving.run(config))
