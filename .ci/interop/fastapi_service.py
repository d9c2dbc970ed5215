# pip install fastapi uvicorn pyjwt[crypto]; uvicorn fastapi_service:app
import os

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

issuer, audience = os.environ["ISSUER"], os.environ.get("AUDIENCE", "latchkey")
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")
refused = HTTPException(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
app = FastAPI()


def user(bearer: HTTPAuthorizationCredentials | None = Depends(HTTPBearer(auto_error=False))) -> dict:
    try:
        token = bearer.credentials if bearer else ""
        key = keys.get_signing_key_from_jwt(token)
        decoded = jwt.decode_complete(
            token,
            key,
            algorithms=["RS256"],
            issuer=issuer,
            audience=audience,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError:
        raise refused
    if decoded["header"].get("typ") != "at+jwt":
        raise refused
    return decoded["payload"]


@app.get("/notes")
def notes(user: dict = Depends(user)) -> dict:
    return {"owner": user["sub"]}
