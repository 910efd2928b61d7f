# SPDX-License-Identifier: Apache-2.0
"""A token service whose tokens a real registry believes: JSON Web Tokens, signed by a key that the registry was told.

Source: distribution's docs/spec/auth/token.md and jwt.md; RFC 7515, 7518 and 7519. The key is named by its certificate (x5c), and
openssl signs, so that nothing but Python's own library and that program are needed.
"""

import base64
import json
import subprocess
import time
import urllib.parse

from http_server import HttpServer, login_of, query_of, reply

ISSUER, SERVICE = "bothy test issuer", "bothy test registry"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def raw_signature(der, size):
    """ECDSA as JWS wants it (RFC 7518, 3.4): r and s of @size bytes each, out of the SEQUENCE of two INTEGERs that openssl writes."""
    at, numbers = 2, []
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
        at += 2 + length
    return b"".join(n.to_bytes(size, "big") for n in numbers)


class SignedTokens(HttpServer):
    """@rights: {"user:password": {repository: actions}}; None is who gives no password. "*" stands for any repository.

    `log` has (path and query, user) of every request; `life` is how many seconds a token lives: negative ones are dead at once.
    `dead` is how many tokens more are given out that died two minutes ago (a registry forgives one minute)."""

    def __init__(self, folder, algorithm, rights, tls=None, host="127.0.0.1"):
        self.folder, self.algorithm, self.rights = folder, algorithm, rights
        self.log, self.dead, self.number = [], 0, 0
        folder.mkdir()
        key = {"RS256": ("rsa:2048",), "ES256": ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")}[algorithm]
        self.openssl("req", "-x509", "-newkey", *key, "-nodes", "-keyout", "key", "-out", "certificate", "-subj", "/CN=tokens", "-days", "2")
        self.certificate = "".join((folder / "certificate").read_text().split("-----")[2].split())
        super().__init__(host, tls)
        self.realm = f"{self.scheme}://{self.host}/token"

    def openssl(self, *words, data=None):
        return subprocess.run(["openssl", *words], cwd=self.folder, input=data, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def config(self, realm=None):
        """What docker-registry is told of this service."""
        return {"realm": realm or self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(self.folder / "certificate")}

    def answer(self, h):
        status, document = self.document(login_of(h), query_of(h))
        self.log.append((h.path, login_of(h)))
        reply(h, status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def document(self, user, query):
        if user not in self.rights:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "no such user"}]}
        if query.get("service") != [SERVICE]:
            return 400, {"errors": [{"code": "UNSUPPORTED", "message": "another's registry"}]}
        return 200, {"token": self.token(user, query.get("scope", [])), "expires_in": 300}

    def granted(self, user, scopes):
        """What of the scopes that are asked for the user may have."""
        for scope in scopes:
            kind, name, actions = scope.split(":")
            may = self.rights[user].get(name, self.rights[user].get("*", ""))
            yield {"type": kind, "name": name, "actions": [a for a in actions.split(",") if a in may.split(",")]}

    def token(self, user, scopes):
        now = int(time.time())
        if self.dead:
            self.dead -= 1
            now -= 420
        self.number += 1
        claims = {"iss": ISSUER, "sub": (user or "").split(":")[0], "aud": SERVICE, "iat": now, "nbf": now - 10, "exp": now + 300,
                  "jti": str(self.number), "access": list(self.granted(user, scopes))}
        head = {"typ": "JWT", "alg": self.algorithm, "x5c": [self.certificate]}
        text = b64(json.dumps(head).encode()) + b"." + b64(json.dumps(claims).encode())
        signature = self.openssl("dgst", "-sha256", "-sign", "key", data=text)
        if self.algorithm == "ES256":
            signature = raw_signature(signature, 32)
        return (text + b"." + b64(signature)).decode()

    def scopes(self):
        """The scopes that were asked for, each request a list."""
        return [urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("scope", []) for path, _ in self.log]
