#!/usr/bin/env bash
set -euo pipefail
# Packages: joserfc 1.8.0, PyJWT 2.15.1, cryptography 50.0.2 (PyPI). Seen on 2026-11-28.
#
# Expectation: a key set of an authorization server may hold keys for other purposes and of new kinds; RFC 7517, 5, has
# implementations ignore those that they do not understand. A key without `alg` may check every algorithm of its kind.
#
# Behaviour: joserfc raises a KeyError for the whole set where one key has a curve that it does not know, and another
# error where one has no `kty`, so that no key is left. PyJWT passes over such keys, but reads an RSA key without `alg`,
# as Microsoft publishes them, as one for RS256 alone: a token with PS256 by that key is refused.
#
# Meaning for a server that takes access tokens: read a set key by key, pass over each that raises anything, and try the
# algorithms of its kind. Else a key that is added for something else locks every person out.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check joserfc==1.8.0 pyjwt==2.15.1 cryptography==50.0.2

cat > "$folder/check.py" <<'PY'
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import KeySet

good = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
odd = {"kty": "EC", "crv": "BLS12381G2", "x": "AA", "y": "AA", "kid": "for credentials"}
for key, error in ((odd, "KeyError"), ({"kid": "without a kind"}, "MissingKeyTypeError")):
    try:
        KeySet.import_key_set({"keys": [good, key]})
    except Exception as raised:
        assert type(raised).__name__ == error, raised
    else:
        raise SystemExit("joserfc read the set")
    assert len(jwt.PyJWKSet.from_dict({"keys": [good, key]}).keys) == 1

private = rsa.generate_private_key(65537, 2048)
public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
public.pop("alg", None)
public.pop("key_ops", None)
token = jwt.encode({"sub": "anna"}, private, "PS256")
try:
    jwt.decode(token, jwt.PyJWK(public), algorithms=["RS256", "PS256"])
except jwt.InvalidAlgorithmError as refused:
    print(refused)
else:
    raise SystemExit("PyJWT took the token")
assert jwt.decode(token, jwt.PyJWK(public, algorithm="PS256"), algorithms=["PS256"]) == {"sub": "anna"}
print("seen: one odd key costs joserfc the whole set, and an RSA key without alg is for RS256 alone in PyJWT")
PY
"$folder/venv/bin/python" "$folder/check.py"
