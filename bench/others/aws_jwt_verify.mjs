// Verifies a token with AWS's aws-jwt-verify, many times for each line that comes, and prints the nanoseconds of one.
import { createInterface } from 'node:readline';
import { JwtVerifier } from 'aws-jwt-verify';

const [jwks, token, issuer, audience, times] = process.argv.slice(2);
const verifier = JwtVerifier.create({ issuer, audience, jwksUri: `${issuer}/.well-known/jwks.json` });
verifier.cacheJwks(JSON.parse(jwks));
for await (const _ of createInterface({ input: process.stdin })) {
  const began = process.hrtime.bigint();
  for (let n = 0; n < Number(times); n += 1) verifier.verifySync(token);
  console.log(String((process.hrtime.bigint() - began) / BigInt(times)));
}
