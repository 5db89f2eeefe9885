#!/usr/bin/env python3
"""Verify the log of a midmirror store by the published specifications alone, without code of midmirror.

    pip install cryptography
    verify_log.py KEY LOG                 every entry and tile of a folder against its signed checkpoint
    verify_log.py KEY --proof FILE ENTRY  a proof (C2SP tlog-proof) for the bytes in the file ENTRY
    verify_log.py KEY --entry N LOG       print entry N of a verified log

KEY is what `midmirror log key` prints: NAME+KEYID+BASE64, the key of a C2SP signed note. LOG is STORE/log, in the layout of
C2SP tlog-tiles; the Merkle tree is that of RFC 6962, section 2.1. Exit code 0: all is verified; 1: refused, with the reason on
standard error.
"""

import base64
import hashlib
import os
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FULL = 256


class Refused(Exception):
    pass


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """RFC 6962, section 2.1: the head of a list."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node(root_of(hashes[:split]), root_of(hashes[split:]))


def open_note(key, note):
    """C2SP signed-note: the text, if the key has signed it."""
    name, key_id, public = key.split("+", 2)
    public = base64.b64decode(public, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    if public[:1] != b"\1" or len(public) != 33 or expected.hex() != key_id:
        raise Refused("not the key of a signed note with Ed25519")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and signature[:4] == expected:
            try:
                Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], text.encode())
            except InvalidSignature:
                raise Refused("the signature of the checkpoint does not hold") from None
            return text
    raise Refused("the checkpoint is not signed by " + name)


def checkpoint(key, note):
    """C2SP tlog-checkpoint: size and root hash."""
    origin, size, root, *_ = open_note(key, note).split("\n")
    if origin != key.split("+")[0]:
        raise Refused("the checkpoint is of another log")
    return int(size), base64.b64decode(root, validate=True)


def tile(log, kind, number, width):
    """C2SP tlog-tiles: the bytes of a tile; a full one serves for a partial one."""
    digits = "%03d" % (number % 1000)
    number //= 1000
    while number:
        digits = "x%03d/%s" % (number % 1000, digits)
        number //= 1000
    path = os.path.join(log, "tile", kind, digits)
    if width < FULL and not os.path.exists(path):
        path += ".p/%d" % width
    with open(path, "rb") as file:
        return file.read()


def entries_of(log, size):
    entries = []
    while len(entries) < size:
        number = len(entries) // FULL
        width = min(FULL, size - number * FULL)
        rest = tile(log, "entries", number, width)
        for _ in range(width):
            length = int.from_bytes(rest[:2], "big")
            if len(rest) < 2 + length:
                raise Refused("bundle %d is cut off" % number)
            entries.append(rest[2 : 2 + length])
            rest = rest[2 + length :]
    return entries


def verify_folder(key, log):
    with open(os.path.join(log, "checkpoint"), encoding="utf-8") as file:
        size, root = checkpoint(key, file.read())
    entries = entries_of(log, size)
    hashes = [leaf(entry) for entry in entries]
    if root_of(hashes) != root:
        raise Refused("the entries do not have the root hash that is signed")
    level = 0
    while hashes:
        for number in range((len(hashes) + FULL - 1) // FULL):
            expected = hashes[number * FULL : (number + 1) * FULL]
            found = tile(log, str(level), number, len(expected))[: 32 * len(expected)]
            if found != b"".join(expected):
                raise Refused("tile %d of level %d is not that of the entries" % (number, level))
        full = len(hashes) // FULL
        hashes = [root_of(hashes[number * FULL : (number + 1) * FULL]) for number in range(full)]
        level += 1
    return entries


def verify_proof(key, text, entry):
    """C2SP tlog-proof, with the check of RFC 9162, section 2.1.3.2."""
    proof, _, note = text.partition("\n\n")
    header, *lines = proof.split("\n")
    if header != "c2sp.org/tlog-proof@v1":
        raise Refused("not a proof")
    if lines[0].startswith("extra "):
        lines = lines[1:]
    index = int(lines[0].removeprefix("index "))
    size, root = checkpoint(key, note)
    if index >= size:
        raise Refused("the entry is beyond the checkpoint")
    place, last, found = index, size - 1, leaf(entry)
    for line in lines[1:]:
        sibling = base64.b64decode(line, validate=True)
        if last == 0:
            raise Refused("the proof is too long")
        if place % 2 or place == last:
            found = node(sibling, found)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            found = node(found, sibling)
        place, last = place // 2, last // 2
    if last or found != root:
        raise Refused("the entry is not in the log")
    return index, size


def main(arguments):
    key = arguments[0]
    if arguments[1] == "--proof":
        with open(arguments[2], encoding="utf-8") as file:
            proof = file.read()
        with open(arguments[3], "rb") as file:
            print("entry %d of %d is in the log" % verify_proof(key, proof, file.read()))
    elif arguments[1] == "--entry":
        sys.stdout.buffer.write(verify_folder(key, arguments[3])[int(arguments[2])])
    else:
        print("%d entries are verified" % len(verify_folder(key, arguments[1])))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, OSError, ValueError) as error:
        print("error: %s" % error, file=sys.stderr)
        sys.exit(1)
