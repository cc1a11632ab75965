"""The certificate that all servers show."""

from __future__ import annotations

from pathlib import Path

import trustme


def write(folder: Path) -> tuple[Path, Path]:
    """Files of the chain and of the key (ECDSA, P-256) of a certificate for 127.0.0.1."""
    pair = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(each.bytes() for each in pair.cert_chain_pems))
    key.write_bytes(pair.private_key_pem.bytes())
    return chain, key
