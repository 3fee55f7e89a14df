"""nginx with TLS and passwords, by the configuration in examples/serving."""

import datetime
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from python.pipelines import LONG

CONFIG = Path(__file__).resolve().parents[2] / "examples" / "serving" / "nginx.conf"
USER, PASSWORD = "robot", "open sesame"


def program() -> str | None:
    """Returns nginx as it was unpacked or installed; None: there is none."""
    unpacked = Path(sys.prefix) / "nginx" / "usr" / "sbin" / "nginx"
    return str(unpacked) if unpacked.exists() else shutil.which("nginx")


def write_certificate(folder: Path) -> None:
    """Writes server.crt, of this machine alone and signed by itself, and server.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@contextmanager
def nginx(command: str, folder: Path, port: int, server_port: int) -> Iterator[Path]:
    """Runs nginx at `port`, in front of a server at another port; yields the certificate."""
    text = CONFIG.read_text()
    ports = {"listen 8443 ssl": f"listen 127.0.0.1:{port} ssl", "127.0.0.1:8000": f"127.0.0.1:{server_port}"}
    for there, here in ports.items():
        assert there in text
        text = text.replace(there, here)
    if os.geteuid() == 0:  # else another user's processes would read the test's folder
        text = "user root;\n" + text
    (folder / "nginx.conf").write_text(text)
    (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    write_certificate(folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command, "-p", str(folder), "-c", "nginx.conf"], stdout=log, stderr=log)
    try:
        until = time.monotonic() + LONG
        while not (folder / "nginx.pid").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield folder / "server.crt"
    finally:
        process.terminate()
        process.wait(LONG)
