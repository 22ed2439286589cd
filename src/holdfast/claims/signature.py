"""Signatures of claims: Ed25519 over the digest of a claim, with the name of the signer.

`signature.json` lies beside claim.json and is no part of the claim: it names the claim by its
digest, which covers every file. The signed bytes begin with a text of their own, so that no other
signature of the same key can be taken for one of these.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from holdfast.arguments import checked
from holdfast.claims.claim import Claim
from holdfast.claims.contents import SIGNATURE
from holdfast.claims.schema import NAME
from holdfast.claims.shapes import Choice, Fields, Text
from holdfast.components import canonical
from holdfast.errors import InputError, StorageError, VerificationError
from holdfast.outline import outlined
from holdfast.storage import read_file, read_json, user_path, write_json

SCHEMA = "holdfast-signature-1"
DOMAIN = b"holdfast claim signature 1\n"  # prefix of every signed text
LARGEST = 2**16  # bytes of a key file or a signature

_HEX = "[0-9a-f]"
_SHAPE = Fields(
    {
        "schema": Choice((SCHEMA,)),
        "claim": Text(longest=64, pattern=_HEX + "{64}", called="a sha256 in hex"),
        "public_key": Text(longest=64, pattern=_HEX + "{64}", called="an Ed25519 key in hex"),
        "signer": Text(longest=NAME),
        "signed": Text(longest=40),
        "signature": Text(longest=128, pattern=_HEX + "{128}", called="a signature in hex"),
    }
)


@outlined
@dataclass(frozen=True, kw_only=True)
class Signature:
    """A signature over a claim's digest, the signer's name as stated, and the date."""

    claim: str  # digest of the claim
    public_key: str  # 32 bytes in hex
    signer: str  # as the signer wrote it; "" if nothing was
    signed: str  # ISO 8601
    signature: str  # 64 bytes in hex

    @property
    def fingerprint(self) -> str:
        """The key as `ssh-keygen -l` shows it: SHA256:..."""
        return fingerprint(bytes.fromhex(self.public_key))

    def message(self) -> bytes:
        """Return the bytes that are signed: signer, claim and date."""
        fields = {key: value for key, value in asdict(self).items() if key != "signature"}
        return DOMAIN + canonical(fields).encode()

    def __str__(self) -> str:
        name = f" as {self.signer!r}" if self.signer else ""
        return f"signed{name} on {self.signed} by key {self.fingerprint}"


@checked
def sign(
    path: Path | str, *, key: Path | str, signer: str = "", passphrase: str | None = None
) -> Signature:
    """Sign the claim in the folder `path` with a private Ed25519 key; return the signature.

    key: a PEM or OpenSSH file. signer: the name of whoever answers for the claim. passphrase: of an
    encrypted key. Raises VerificationError for a claim that is not whole or has another key's
    signature, InputError for a key that cannot be used, StorageError where nothing can be written.
    """
    claim = Claim.load(path)
    private = _private_key(user_path(key, "key"), passphrase)
    public = private.public_key().public_bytes_raw().hex()
    there = read_signature(claim)
    if there is not None and there.public_key != public:
        raise VerificationError(
            f"{claim.folder / SIGNATURE} is the signature of another key, {there.fingerprint}: "
            "remove it to sign in its place"
        )
    if len(signer) > NAME:
        raise InputError(f"a signer's name may have {NAME:,} characters, got {len(signer):,}")
    unsigned = Signature(
        claim=claim.document["digest"],
        public_key=public,
        signer=signer,
        signed=datetime.now(UTC).isoformat(timespec="seconds"),
        signature="",
    )
    stated = {**asdict(unsigned), "signature": private.sign(unsigned.message()).hex()}
    write_json(claim.folder / SIGNATURE, {"schema": SCHEMA, **stated})
    return Signature(**stated)


def read_signature(claim: Claim) -> Signature | None:
    """Return the signature beside a claim, None if there is none.

    Raises VerificationError for one that is malformed or about another claim. `check_signature`
    tests whether it was made with its key.
    """
    path = claim.folder / SIGNATURE
    if not path.exists() and not path.is_symlink():
        return None
    try:
        stated = read_json(path, LARGEST)
        _SHAPE.check(stated, "")
    except (StorageError, VerificationError) as error:
        raise VerificationError(f"{path} is no signature of ours: {error}") from None
    found = Signature(**{key: value for key, value in stated.items() if key != "schema"})
    if found.claim != claim.document["digest"]:
        raise VerificationError(
            f"{path} is the signature of another claim, {found.claim[:12]}...: the one that lies "
            f"here is {claim.document['digest'][:12]}..."
        )
    return found


def check_signature(signature: Signature) -> None:
    """Raise VerificationError unless a signature was made with the key that it names."""
    public = _ed25519().Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key))
    try:
        public.verify(bytes.fromhex(signature.signature), signature.message())
    except import_module("cryptography.exceptions").InvalidSignature:
        raise VerificationError(
            f"the claim's signature is not valid for the key {signature.fingerprint} that it "
            "names: it was altered, or made for something else"
        ) from None


def check_signer(claim: Claim, key: Path | str) -> Signature:
    """Return the claim's signature; VerificationError unless the public key in `key` made it."""
    wanted = public_key(key)
    found = read_signature(claim)
    if found is None:
        raise VerificationError(f"{claim.folder} is not signed: there is no {SIGNATURE} in it")
    if bytes.fromhex(found.public_key) != wanted:
        raise VerificationError(
            f"the claim is signed by key {found.fingerprint}, not by {fingerprint(wanted)}"
        )
    check_signature(found)
    return found


def signer_of(claim: Claim, key: Path | str | None = None) -> Signature | None:
    """Return the claim's signature, None if it has none and no key is given.

    It is checked against the public key in the file `key`, else against the key that it names, if
    the package that does so is installed.
    """
    if key is not None:
        return check_signer(claim, key)
    found = read_signature(claim)
    if found is not None and can_check():
        check_signature(found)
    return found


def can_check() -> bool:
    """Return True if the package that checks signatures is installed."""
    try:
        _ed25519()
    except InputError:
        return False
    return True


def fingerprint(public: bytes) -> str:
    """Return the OpenSSH fingerprint of an Ed25519 public key of 32 bytes."""
    kind = b"ssh-ed25519"
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (kind, public))
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def public_key(path: Path | str) -> bytes:
    """Return the 32 bytes of the public Ed25519 key in a PEM or OpenSSH file."""
    data = read_file(user_path(path, "key"), LARGEST)
    if b"PRIVATE KEY" in data:
        raise InputError(f"{path} is a private key: give the public one, and keep this to yourself")
    load = _loader(data, "public")
    found = _loaded(path, "public", lambda: load(data))
    if not isinstance(found, _ed25519().Ed25519PublicKey):
        raise InputError(f"{path} is a key of another kind: Ed25519 is wanted")
    return bytes(found.public_bytes_raw())


def _private_key(path: Path, passphrase: str | None) -> Any:
    data = read_file(path, LARGEST)
    load = _loader(data, "private")
    secret = None if passphrase is None else passphrase.encode()
    found = _loaded(path, "private", lambda: load(data, secret))
    if not isinstance(found, _ed25519().Ed25519PrivateKey):
        raise InputError(f"{path} is a key of another kind: ssh-keygen -t ed25519 makes one")
    return found


def _loader(data: bytes, which: str) -> Callable[..., Any]:
    """Return the reader of a key, "public" or "private", in the format of `data`."""
    _ed25519()
    formats = import_module("cryptography.hazmat.primitives.serialization")
    ssh = data.startswith((b"-----BEGIN OPENSSH", b"ssh-", b"ecdsa-", b"sk-"))
    load: Callable[..., Any] = getattr(formats, f"load_{'ssh' if ssh else 'pem'}_{which}_key")
    return load


def _loaded(path: Path | str, which: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # of types that the package chooses
        raise InputError(
            f"{path} cannot be read as a {which} Ed25519 key in PEM or OpenSSH format: {error}"
        ) from error


def _ed25519() -> Any:
    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError:
        raise InputError(
            "signatures need the package cryptography: pip install 'holdfast[sign]'"
        ) from None
