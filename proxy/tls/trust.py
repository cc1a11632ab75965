"""TLS as a client of origins: whom to trust, and who we say we are."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from proxy.tls.certificates import KeyPair, load_pair, trust


def client_context(
    protocols: Sequence[str],
    *,
    ca: Path | None = None,
    pair: KeyPair | None = None,
    verify: bool = True,
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> ssl.SSLContext:
    """protocols: for ALPN. ca: PEM of the only authorities to trust, instead of the system's. pair: for origins that
    ask for a certificate. Without `verify` anybody may answer. Raises CertificateError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = min_version
    context.set_alpn_protocols(list(protocols))
    if pair is not None:
        load_pair(context, pair)
    if ca is not None:
        trust(context, ca)
    elif verify:
        context.load_default_certs()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
