"""``ca`` and ``certificate`` of a destination: what is of no use is said when the configuration is loaded."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from router.config import load
from tests.config.conftest import REST
from tests.config.plugins import REGISTRY
from tests.harness.authority import Authority


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Path:
    certificate, key = authority.certificate.read_bytes(), authority.key.read_bytes()
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "both.pem").write_bytes(certificate + key)
    (tmp_path / "other.pem").write_bytes(authority.client("other")[1].read_bytes())
    (tmp_path / "empty.pem").touch()
    damaged = certificate.splitlines()
    (tmp_path / "damaged.pem").write_bytes(b"\n".join([*damaged[:2], b"?", *damaged[3:]]))
    openssl = ["openssl", "pkey", "-in", authority.key, "-aes256", "-passout", "pass:geheim"]
    subprocess.run([*openssl, "-out", tmp_path / "locked.pem"], check=True, capture_output=True)
    return tmp_path


def written(keys: str) -> str:
    return f"destinations: {{crm: {{type: web, url: 'https://crm.example', {keys}}}}}"


@pytest.mark.parametrize(
    ("keys", "file", "key"),
    [
        ("certificate: both.pem", "both.pem", "both.pem"),
        ("certificate: {file: cert.pem, key: key.pem}", "cert.pem", "key.pem"),
        ("certificate: {file: both.pem, key: both.pem}", "both.pem", "both.pem"),
    ],
)
def test_a_certificate_stands_in_one_file_or_in_two(config: Any, files: Path, keys: str, file: str, key: str) -> None:
    crm = config(written(keys)).destinations["crm"]

    assert crm.certificate == (files / file, files / key)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("certificate: gone.pem", 'there is no file "gone.pem"'),
        ("certificate: empty.pem", 'there is no certificate in "empty.pem"; it must be a PEM file'),
        ("certificate: cert.pem", 'there is no key in "cert.pem"; write certificate: {file: …, key: …}'),
        ("certificate: {file: cert.pem, key: empty.pem}", 'there is no key in "empty.pem"; it must be a PEM file'),
        (
            "certificate: {file: cert.pem, key: other.pem}",
            'the key in "other.pem" is not that of the certificate in "cert.pem"',
        ),
        ("certificate: {file: cert.pem, key: locked.pem}", 'the key in "locked.pem" has a passphrase'),
        ("certificate: {file: damaged.pem, key: key.pem}", 'the certificate in "damaged.pem" cannot be used'),
        ("certificate: {file: cert.pem}", '"key" is missing in "certificate"'),
        ("certificate: {file: cert.pem, keys: key.pem}", 'unknown key "keys" in "certificate"'),
        ("certificate: [cert.pem]", '"certificate" takes a single value, not a list'),
        ("certificate: ''", "this is empty"),
        ("ca: gone.pem", 'there is no file "gone.pem"'),
        ("ca: key.pem", 'there is no certificate in "key.pem"; it must be a PEM file'),
        ("ca: damaged.pem", 'the certificates in "damaged.pem" cannot be used'),
        ("proxy: 'https://proxy.example'", "this is no proxy"),
        ("proxy: 'http://'", "this is no proxy"),
        ("verify: false", 'unknown key "verify"'),
    ],
)
def test_what_is_of_no_use_for_tls_is_told(mistakes: Any, files: Path, keys: str, said: str) -> None:
    told = mistakes(written(keys))

    assert said in told[0]


def test_who_only_looks_needs_no_right_to_read_a_key(files: Path) -> None:
    path = files / "config.yaml"
    path.write_text(written("certificate: gone.pem, ca: gone.pem") + REST.replace("\ndestinations", "\n#"))

    looked = load(path, {}, registry=REGISTRY, to_look=True)

    assert looked.destinations["crm"].certificate == (files / "gone.pem", files / "gone.pem")


def test_a_process_that_starts_again_has_the_configuration_as_it_was_proved(config: Any, files: Path) -> None:
    proved = config(written("certificate: both.pem, ca: cert.pem"))
    (files / "both.pem").unlink()
    (files / "cert.pem").write_text("half written")

    again = load(proved.path, {}, registry=REGISTRY, snapshot=proved.snapshot)

    assert again.destinations["crm"].certificate == (files / "both.pem", files / "both.pem")
