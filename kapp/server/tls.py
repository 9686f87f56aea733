"""What a TLS listener needs, made for one instance: certificate, token, kubeconfig.

Every instance has a self-signed certificate of its own, so that no authority has to be trusted
beyond it; it is its own CA, which is how `certificate-authority-data` verifies it. `cryptography`
takes about 80 ms to import: it is needed only when there is no certificate yet.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

_PRIVATE_MODE = 0o600
_TOKEN_BYTES = 32
# Beyond any instance's life; browsers and macOS refuse server certificates of more than 825 days.
_VALID_FOR = timedelta(days=820)
# Clocks of virtual machines lag behind after a sleep.
_CLOCK_SLACK = timedelta(hours=1)
SERVER_NAMES = ("localhost", "127.0.0.1", "::1")


def new_token() -> str:
    """A bearer token that cannot be guessed."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def make_certificate(now: datetime, names: tuple[str, ...] = SERVER_NAMES) -> tuple[bytes, bytes]:
    """A self-signed EC certificate for `names` and its key, both PEM.

    Takes about 100 ms, most of it imports: call it in a thread.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    # The serial in the name keeps clients from taking one instance's CA for another's.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"kapp-{secrets.token_hex(8)}")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(usage, True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _alternative(name: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write_certificate(
    directory: Path, now: datetime, names: tuple[str, ...] = SERVER_NAMES
) -> tuple[Path, Path]:
    """Make a certificate and write `tls.crt` and `tls.key` (0600) there; returns their paths."""
    certificate, key = make_certificate(now, names)
    certificate_file, key_file = directory / "tls.crt", directory / "tls.key"
    write_private(key_file, key)
    write_private(certificate_file, certificate)
    return certificate_file, key_file


def server_context(certificate_file: Path, key_file: Path) -> ssl.SSLContext:
    """The context of a listener: TLS 1.2 or newer, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def kubeconfig(
    *, server: str, ca: bytes, token: str, context: str, namespace: str = ""
) -> dict[str, Any]:
    """A kubeconfig with one context, whose cluster and user are called the same.

    `server` is a URL, `ca` a PEM certificate.
    """
    chosen = {"cluster": context, "user": context}
    if namespace:
        chosen["namespace"] = namespace
    authority = base64.b64encode(ca).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {
                "name": context,
                "cluster": {"server": server, "certificate-authority-data": authority},
            }
        ],
        "users": [{"name": context, "user": {"token": token}}],
        "contexts": [{"name": context, "context": chosen}],
        "preferences": {},
    }


def write_kubeconfig(
    path: Path, *, server: str, ca: bytes, token: str, context: str, namespace: str = ""
) -> None:
    """Write such a kubeconfig (0600), replacing the file at once."""
    config = kubeconfig(server=server, ca=ca, token=token, context=context, namespace=namespace)
    # JSON is YAML; kubectl and every library read it.
    write_private(path, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; readers see the old content or the new."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
