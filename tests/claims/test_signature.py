"""A signature binds a claim to a key; whatever was changed or exchanged is refused in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from claim_fixture import make_claim
from holdfast.claims import Claim, read_signature, sign, signature, signer_of
from holdfast.errors import InputError, StorageError, VerificationError

pytest.importorskip("cryptography")
from cryptography.hazmat.primitives import serialization as formats
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PEM, SSH = formats.Encoding.PEM, formats.Encoding.OpenSSH


def write_pair(folder: Path, name: str = "key", *, ssh: bool, secret: str = "") -> Path:
    """Write a private key and its public one (NAME.pub); return the path of the private one."""
    key = Ed25519PrivateKey.generate()
    lock = formats.BestAvailableEncryption(secret.encode()) if secret else formats.NoEncryption()
    form = formats.PrivateFormat.OpenSSH if ssh else formats.PrivateFormat.PKCS8
    (folder / name).write_bytes(key.private_bytes(PEM, form, lock))
    public = formats.PublicFormat.OpenSSH if ssh else formats.PublicFormat.SubjectPublicKeyInfo
    data = key.public_key().public_bytes(SSH if ssh else PEM, public)
    (folder / f"{name}.pub").write_bytes(data)
    return folder / name


@pytest.fixture
def made(tmp_path: Path) -> Claim:
    return make_claim(tmp_path / "c", n=12, gallery=0, trained=False)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_pair(tmp_path, ssh=True)


def public(key: Path) -> Path:
    return key.with_name(key.name + ".pub")


@pytest.mark.parametrize("ssh", [True, False])
def test_a_signed_claim_is_its_signer_s(made, tmp_path, ssh):
    assert signer_of(made) is None
    key = write_pair(tmp_path, ssh=ssh)
    written = sign(made.folder, key=key, signer="Jane Doe <j@x.org>")
    assert signer_of(made, public(key)) == written == signer_of(made) == read_signature(made)
    assert written.signer == "Jane Doe <j@x.org>"
    assert "by key SHA256:" in str(written)
    assert Claim.load(made.folder) == made  # the signature is no part of it
    assert sign(made.folder, key=key).signer == ""  # the same key may sign anew


def test_an_encrypted_key_needs_its_passphrase(made, tmp_path):
    key = write_pair(tmp_path, ssh=False, secret="open sesame")
    for wrong in (None, "", "sesame"):
        with pytest.raises(InputError, match="cannot be read as a private Ed25519 key"):
            sign(made.folder, key=key, passphrase=wrong)
    assert sign(made.folder, key=key, passphrase="open sesame") == signer_of(made, public(key))


def test_the_fingerprint_is_the_one_that_openssh_shows(made, key):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    command = ["ssh-keygen", "-l", "-f", public(key)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert sign(made.folder, key=key).fingerprint in shown.split()


def test_a_claim_without_a_signature_or_with_another_key_s_is_refused(made, key, tmp_path):
    with pytest.raises(VerificationError, match="is not signed"):
        signer_of(made, public(key))
    sign(made.folder, key=key)
    other = write_pair(tmp_path, "other", ssh=False)
    with pytest.raises(VerificationError, match=r"signed by key SHA256:.*, not by SHA256:"):
        signer_of(made, public(other))
    with pytest.raises(VerificationError, match="is the signature of another key"):
        sign(made.folder, key=other)


def test_a_signature_does_not_move_to_another_claim(made, key, tmp_path):
    sign(made.folder, key=key)
    other = make_claim(tmp_path / "d", n=13, gallery=0, trained=False)
    stated = json.loads((made.folder / "signature.json").read_text())
    (other.folder / "signature.json").write_text(json.dumps(stated))
    with pytest.raises(VerificationError, match="is the signature of another claim"):
        signer_of(other, public(key))
    stated["claim"] = other.document["digest"]
    (other.folder / "signature.json").write_text(json.dumps(stated))
    for given in (public(key), None):
        with pytest.raises(VerificationError, match="is not valid for the key"):
            signer_of(other, given)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("signer", "Somebody Else"), ("signed", "2001-01-01T00:00:00+00:00")),
        *(("signature", "00" * 64), ("public_key", "00" * 32), ("schema", "other-1")),
        *(("signature", None), ("public_key", "AA" * 32), ("signer", ["a"]), ("signed", "d" * 99)),
        *(("more", 1), ("claim", "x")),
    ],
)
def test_an_altered_signature_is_refused_with_and_without_a_key(made, key, field, value):
    sign(made.folder, key=key, signer="Jane")
    path = made.folder / "signature.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    for given in (public(key), None):
        with pytest.raises(VerificationError):
            signer_of(made, given)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[" * 10_000, b"\xff", b'{"a": 1, "a": 1}', b"null"]
)
def test_a_file_that_is_no_signature_is_one_line(made, key, content):
    (made.folder / "signature.json").write_bytes(content)
    with pytest.raises(VerificationError, match=r"signature\.json is no signature of ours"):
        signer_of(made)


def test_another_signature_of_the_same_key_is_none_of_these(made, key, monkeypatch):
    """What the key signs elsewhere, over the same fields, does not verify here."""
    monkeypatch.setattr(signature, "DOMAIN", b"")
    sign(made.folder, key=key)
    monkeypatch.undo()
    with pytest.raises(VerificationError, match="is not valid for the key"):
        signer_of(made, public(key))


def rsa_like(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    plain = formats.NoEncryption()
    path.write_bytes(key.private_bytes(PEM, formats.PrivateFormat.PKCS8, plain))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ssh-ed25519 AAAA",
        b"ssh-ed25519 !!! x",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== x",
        b"\x00" * 100,
    ],
)
def test_a_malformed_key_is_one_line(made, key, tmp_path, content):
    sign(made.folder, key=key)
    (tmp_path / "bad").write_bytes(content)
    for use in (lambda path: signer_of(made, path), lambda path: sign(made.folder, key=path)):
        with pytest.raises(InputError, match="bad"):
            use(tmp_path / "bad")


def test_keys_that_cannot_be_meant_are_refused(made, key, tmp_path):
    sign(made.folder, key=key)
    with pytest.raises(InputError, match="is a private key: give the public one"):
        signer_of(made, key)
    rsa_like(tmp_path / "curve")
    with pytest.raises(InputError, match="key of another kind"):
        sign(made.folder, key=tmp_path / "curve")
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(StorageError, match="cannot read"):
            signer_of(made, path)


def test_a_claim_that_is_not_whole_is_not_signed(made, key):
    (made.folder / "per_example.csv").write_text("")
    with pytest.raises(VerificationError, match=r"per_example\.csv was altered"):
        sign(made.folder, key=key)
    assert not (made.folder / "signature.json").exists()


def test_a_copy_keeps_the_signature_and_a_new_claim_loses_it(made, key, tmp_path):
    sign(made.folder, key=key)
    copy = made.save(tmp_path / "copy")
    assert signer_of(copy, public(key)) == signer_of(made)
    make_claim(copy.folder, n=14, gallery=0, trained=False)
    assert not (copy.folder / "signature.json").exists()


def test_without_the_package_nothing_is_passed_off_as_checked(made, key, monkeypatch):
    sign(made.folder, key=key)

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(signature, "import_module", absent)
    assert not signature.can_check()
    assert signer_of(made) is not None
    with pytest.raises(InputError, match=r"pip install 'holdfast\[sign\]'"):
        signer_of(made, public(key))
