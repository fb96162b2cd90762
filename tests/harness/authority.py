"""Certificates of our own, made by the openssl program."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Authority:
    """A certificate authority called *name*; ``certificate`` is for crm.example, mail.example and localhost too."""

    def __init__(self, folder: Path, name: str = "crm.example") -> None:
        self.folder = folder
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-days", "2", "-keyout", self.key, "-out", self.certificate, "-subj", f"/CN={name}",
                      "-addext", "subjectAltName=DNS:crm.example,DNS:mail.example,DNS:localhost")  # fmt: skip

    def server(self, *, asks_for_certificate: bool = False) -> ssl.SSLContext:
        """Return what a receiver secures its connections with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if asks_for_certificate:
            context.load_verify_locations(self.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str, *, days: int = 2) -> tuple[Path, Path]:
        """Return the files of a certificate for *name* that it has signed, and of its key."""
        key, request, made = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                      "-out", request, "-subj", f"/CN={name}")  # fmt: skip
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                      "-days", str(days), "-out", made)  # fmt: skip
        return made, key

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
