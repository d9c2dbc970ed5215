// Verifies an access token with jose, from what the issuer publishes.
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [issuer, token] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
const expected = { issuer, audience: 'latchkey', typ: 'at+jwt', algorithms: ['RS256'] };
const { payload } = await jwtVerify(token, keys, expected);
const refused = await jwtVerify(token, keys, { ...expected, audience: 'another' }).catch((error) => error.code);
if (refused !== 'ERR_JWT_CLAIM_VALIDATION_FAILED') throw new Error('jose took a token for another audience');
console.log('jose:', payload.sub);
