"""RSA keys and the tokens signed with them."""

import base64
import hashlib
import hmac
import uuid

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.wire import JsonObject, dumps


class SigningKey:
    """One RSA-2048 key with its id; a rotation makes a new one."""

    def __init__(self) -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    def jwk(self) -> JsonObject:
        """The public half as a JSON web key."""
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "x5t": self.kid,
            "n": _base64url(numbers.n.to_bytes(256, "big")),
            "e": _base64url(numbers.e.to_bytes(3, "big")),
        }

    def freshchat_pem(self) -> str:
        """The public key as Freshchat shows it: labelled PKCS#1, but the body is SubjectPublicKeyInfo."""
        lines = base64.b64encode(self._public_der()).decode()
        body = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
        return f"-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----"

    def signature(self, data: bytes) -> str:
        """RSASSA-PKCS1-v1_5 with SHA-256, base64 on one line."""
        return base64.b64encode(self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())).decode()

    def token(self, claims: JsonObject, kid: str | None = None, alg: str = "RS256") -> str:
        """A JWT; `alg` and `kid` may lie so that a receiver's checks can be tested."""
        header = {"typ": "JWT", "kid": kid if kid is not None else self.kid}
        if alg == "RS256":
            # the claims as they are: jwt.encode refuses to sign an issuer that is a list
            return jwt.PyJWS().encode(dumps(claims), self.private, algorithm="RS256", headers=header)
        return self._forged(claims, {**header, "alg": alg})

    def read(self, token: str) -> JsonObject:
        """The claims of a token that this key signed; raises jwt.PyJWTError. Times are for the caller to judge."""
        options: jwt.types.Options = {
            "verify_aud": False,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }
        return jwt.decode(token, self.private.public_key(), algorithms=["RS256"], options=options)

    def _forged(self, claims: JsonObject, header: JsonObject) -> str:
        """Unsigned for alg none; for the rest an HMAC keyed with the public key, the classic confusion."""
        signed = f"{_base64url(dumps(header))}.{_base64url(dumps(claims))}"
        if str(header["alg"]).lower() == "none":
            return f"{signed}."
        mac = hmac.new(self._public_pem(), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{_base64url(mac)}"

    def _public_der(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def _public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
