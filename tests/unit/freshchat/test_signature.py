"""Only a body signed with one of our live keys can be parsed, however the key text was pasted."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import pickle

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from adapters.freshchat.signature import BadBody, NotAuthentic, VerifiedBody, Verifier
from bridge.errors import Misconfigured

BODY = '{"action":"message_create","text":"안녕 🙂","n":1}'.encode()
KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
Format = serialization.PublicFormat


def der(key, form=Format.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def b64(data):
    return base64.b64encode(data).decode()


def pem(key, label="RSA PUBLIC KEY", join="\n", form=Format.SubjectPublicKeyInfo):
    text = b64(der(key, form))
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return join.join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


def sign(body=BODY, key=KEY, pad=None):
    return b64(key.sign(body, pad or padding.PKCS1v15(), hashes.SHA256()))


KEY_TEXTS = {
    "as Freshchat shows it": pem(KEY),
    "honest label": pem(KEY, "PUBLIC KEY"),
    "PKCS#1": pem(KEY, form=Format.PKCS1),
    "PKCS#1 with the other label": pem(KEY, "PUBLIC KEY", form=Format.PKCS1),
    "CRLF": pem(KEY, join="\r\n"),
    "literal newlines": pem(KEY, join="\\n"),
    "literal CRLF": pem(KEY, join="\\r\\n"),
    "one line with spaces": pem(KEY, join=" "),
    "one line": pem(KEY, join=""),
    "no label": b64(der(KEY)),
    "no label, PKCS#1": b64(der(KEY, Format.PKCS1)),
    "quoted, with blanks around": f'  "{pem(KEY)}" \n',
}


@pytest.mark.parametrize("text", KEY_TEXTS.values(), ids=KEY_TEXTS.keys())
def test_every_way_to_paste_a_key_is_read(text):
    assert Verifier("rsa", [text]).verify(BODY, sign()).raw == BODY


def small_key():
    return pem(rsa.generate_private_key(65537, 1024))


def curve_key():
    key = ec.generate_private_key(ec.SECP256R1())
    return b64(der(key))


BAD_KEYS = {
    "too short": small_key(),
    "not RSA": curve_key(),
    "no key": "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
    "cut off": b64(der(KEY)[:-20]),
    "not base64": "hello there",
    "empty": "",
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_key_that_cannot_be_used_stops_the_start(text):
    with pytest.raises(Misconfigured) as caught:
        Verifier("rsa", [text])
    assert text[30:60] not in str(caught.value) or not text[30:60]


@pytest.mark.parametrize(("scheme", "keys"), [("rsa", []), ("hmac", []), ("hmac", [" "]), ("none", ["x"]), ("", ["x"])])
def test_no_check_at_all_cannot_be_configured(scheme, keys):
    with pytest.raises(Misconfigured):
        Verifier(scheme, keys)


RESERIALISED = json.dumps(json.loads(BODY)).encode()
REFUSED = {
    "changed body": (BODY.replace(b"1", b"2"), sign()),
    "re-serialised body": (RESERIALISED, sign()),
    "trailing newline": (BODY + b"\n", sign()),
    "empty body": (b"", sign()),
    "wrong key": (BODY, sign(key=OTHER)),
    "PSS": (BODY, sign(pad=padding.PSS(padding.MGF1(hashes.SHA256()), 32))),
    "SHA-1": (BODY, b64(KEY.sign(BODY, padding.PKCS1v15(), hashes.SHA1()))),
    "HMAC with the public key": (BODY, b64(hmac.digest(pem(KEY).encode(), BODY, "sha256"))),
    "missing": (BODY, None),
    "empty": (BODY, ""),
    "not base64": (BODY, "%%%"),
    "not ASCII": (BODY, "서명"),
    "cut": (BODY, sign()[:-8]),
    "twice": (BODY, sign() + sign()),
    "url-safe alphabet": (BODY, "-_" + sign()[2:]),
}


@pytest.mark.parametrize(("body", "header"), REFUSED.values(), ids=REFUSED.keys())
def test_what_was_not_signed_by_us_is_refused(body, header):
    with pytest.raises(NotAuthentic):
        Verifier("rsa", [pem(KEY)]).verify(body, header)


def test_old_and_new_key_are_both_live_and_the_matching_one_is_told():
    both = Verifier("rsa", [pem(KEY), pem(OTHER)])
    told = [both.verify(BODY, sign(key=key)).key_id for key in (KEY, OTHER)]
    assert told == list(both.key_ids)
    assert told[0] == hashlib.sha256(der(KEY)).hexdigest()[:8] != told[1]


def hmac_sign(secret, body=BODY):
    return b64(hmac.digest(secret.encode(), body, "sha256"))


def test_hmac_accepts_every_live_secret_and_no_other():
    verifier = Verifier("hmac", ["old secret", "new secret"])
    assert verifier.verify(BODY, hmac_sign("old secret")).key_id == verifier.key_ids[0]
    assert verifier.verify(BODY, f" {hmac_sign('new secret')} ").key_id == verifier.key_ids[1]
    for header in (hmac_sign("x"), hmac_sign("old secret", b"{}"), "", sign()):
        with pytest.raises(NotAuthentic):
            verifier.verify(BODY, header)


def test_nobody_but_a_verifier_makes_a_verified_body():
    with pytest.raises(TypeError):
        VerifiedBody(BODY, "me")
    with pytest.raises(TypeError):
        type("Mine", (VerifiedBody,), {})
    with pytest.raises(TypeError):
        type("Mine", (Verifier,), {})
    with pytest.raises(AttributeError):
        object.__new__(VerifiedBody).parse()


def test_a_verified_body_does_not_change():
    body = Verifier("rsa", [pem(KEY)]).verify(BODY, sign())
    with pytest.raises(AttributeError):
        body.raw = b"{}"
    with pytest.raises(AttributeError):
        del body.raw
    with pytest.raises(TypeError):
        copy.copy(body)
    with pytest.raises(TypeError):
        pickle.dumps(body)


def verified(raw):
    return Verifier("hmac", ["k"]).verify(raw, hmac_sign("k", raw))


NOT_READABLE = {
    "empty": b"",
    "cut": b'{"a":',
    "list": b"[1]",
    "text": b'"a"',
    "null": b"null",
    "name twice": b'{"a":1,"a":2}',
    "name twice, inside": b'{"a":{"b":1,"b":1}}',
    "name twice, spelt differently": b'{"a":1,"\\u0061":2}',
    "NaN": b'{"a":NaN}',
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "two values": b"{}{}",
    "deep list": b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    "very deep list": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "very deep object": b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
    "endless number": b'{"a":' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("raw", NOT_READABLE.values(), ids=NOT_READABLE.keys())
def test_a_body_that_can_be_misread_is_refused(raw):
    with pytest.raises(BadBody):
        verified(raw).parse()


def test_a_body_is_read_as_it_was_written():
    assert verified(BODY).parse() == json.loads(BODY)
    wide = {"parts": [{"n": i} for i in range(500)]}
    assert verified(json.dumps(wide).encode()).parse() == wide


def test_half_a_surrogate_pair_becomes_a_replacement_and_a_whole_one_its_character():
    read = verified(b'{"\\ud800":["\\uD83D\\uDE42", {"x":"a\\udfffb"}]}').parse()
    assert read == {"\ufffd": ["🙂", {"x": "a\ufffdb"}]}
    json.dumps(read, ensure_ascii=False).encode()
