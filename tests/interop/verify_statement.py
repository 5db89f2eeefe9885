#!/usr/bin/env python3
"""Verify the statement of a midmirror store about one package with securesystemslib, without code of midmirror.

    pip install securesystemslib cryptography
    verify_statement.py KEY STATEMENT PACKAGE [EVIDENCE]

KEY is the store's public key as PEM, or the 64 hexadecimal digits that the signed catalog has under `midmirror`. STATEMENT is a DSSE
envelope with an in-toto statement, PACKAGE the file that it is about, EVIDENCE the folder whose files it names. Exit code 0: all is
verified; 1: refused, with the reason on standard error.
"""

import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey


def refuse(reason):
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(1)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(key, statement, package, evidence=None):
    if len(key) == 64:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    else:
        public = load_pem_public_key(pathlib.Path(key).read_bytes())
    signer = hashlib.sha256(public.public_bytes_raw()).hexdigest()
    envelope = Envelope.from_dict(json.loads(pathlib.Path(statement).read_text()))
    try:
        envelope.verify([SSlibKey.from_crypto(public, signer)], threshold=1)
    except VerificationError as error:
        refuse(f"the signature does not hold: {error}")
    if envelope.payload_type != "application/vnd.in-toto+json":
        refuse("not an in-toto statement")
    said = json.loads(envelope.payload)
    if said["_type"] != "https://in-toto.io/Statement/v1" or said["predicateType"] != "urn:midmirror:admission:1":
        refuse("not a statement about an admission")
    subject = said["subject"][0]
    if subject["digest"]["sha256"] != sha256(pathlib.Path(package)):
        refuse(f"{package} is not the file that was admitted")
    if evidence is not None:
        for name, digest in said["predicate"]["evidence"].items():
            if sha256(pathlib.Path(evidence) / name) != digest:
                refuse(f"{name} is not the file that was there")
    print(f"{subject['name']} was admitted at {said['predicate']['admitted_at']}, as {said['predicate']['label']}")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
