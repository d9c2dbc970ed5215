// npm install express jose
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { ISSUER: issuer, AUDIENCE: audience = 'latchkey', PORT: port = '3001' } = process.env;
// A key that was taken back is forgotten after five minutes: jose's own time would be ten.
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { cacheMaxAge: 300_000 });
const requiredClaims = ['exp', 'iss', 'aud', 'sub'];
const expected = { issuer, audience, requiredClaims, typ: 'at+jwt', algorithms: ['RS256'] };

async function authenticated(request, response, next) {
  const [scheme, token] = (request.get('authorization') ?? '').split(' ');
  try {
    if (scheme.toLowerCase() !== 'bearer') throw new Error('no token');
    request.user = (await jwtVerify(token, keys, expected)).payload;
  } catch {
    return response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end();
  }
  next();
}

const requireScope = (scope) => (request, response, next) => {
  if ((request.user.scope ?? '').split(' ').includes(scope)) return next();
  response.status(403).set('WWW-Authenticate', `Bearer error="insufficient_scope", scope="${scope}"`).end();
};

const app = express();
app.get('/notes', authenticated, (request, response) => response.json({ owner: request.user.sub }));
app.post('/notes', authenticated, requireScope('notes:write'), (request, response) =>
  response.status(201).json({ owner: request.user.sub }));
app.listen(Number(port), '127.0.0.1');
