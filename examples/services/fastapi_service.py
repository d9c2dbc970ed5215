# pip install fastapi uvicorn 'pyjwt[crypto]'; uvicorn fastapi_service:app
import os

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

issuer, audience = os.environ["ISSUER"], os.environ.get("AUDIENCE", "latchkey")
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=3)
app = FastAPI()


def user(bearer: HTTPAuthorizationCredentials | None = Depends(HTTPBearer(auto_error=False))) -> dict:
    try:
        token = bearer.credentials if bearer else ""
        decoded = jwt.decode_complete(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["RS256"],
            issuer=issuer,
            audience=audience,
            leeway=30,  # clocks differ, and "iat" is looked at too
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        if decoded["header"].get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
    except jwt.PyJWTError as error:
        raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from error
    return decoded["payload"]


def require_scope(scope: str):
    def granted(user: dict = Depends(user)) -> dict:
        if scope not in user.get("scope", "").split():
            challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
            raise HTTPException(403, headers={"WWW-Authenticate": challenge})
        return user

    return granted


@app.get("/notes")
def notes(user: dict = Depends(user)) -> dict:
    return {"owner": user["sub"]}


@app.post("/notes", status_code=201)
def write(user: dict = Depends(require_scope("notes:write"))) -> dict:
    return {"owner": user["sub"]}
