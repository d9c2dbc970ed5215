// Pages in a real browser against the tables of `cargo run`: one of another origin, and one whose name leads
// to this machine (DNS rebinding).

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { Latchkey } from '../../examples/client/latchkey.mjs';
import { api, launch, origin, skip } from './chromium.mjs';
import { dynamodbPort, otherPort, start } from './server.mjs';

const tables = `http://127.0.0.1:${dynamodbPort}/`;
const name = 'rebound.example';
const flags = [
  `--host-resolver-rules=MAP ${name} 127.0.0.1`,
  '--no-proxy-server',
  // New Chromiums ask the user before a page reaches this machine. Others do not.
  '--disable-features=LocalNetworkAccessChecks',
];
const refusal = 'a web page called the local DynamoDB or SES, and was refused';

const html = '<!doctype html><title>Evil</title><link rel="icon" href="data:,">';

let latchkey;
let site;
let browser;

before(async () => {
  if (skip) return;
  latchkey = await start();
  const password = 'correct horse battery staple';
  const ada = { email: 'ada@example.com', password, first_name: 'Ada', last_name: 'L' };
  await new Latchkey({ baseUrl: api }).register(ada);
  // A page without a policy of its own, which asks for what it likes.
  site = http.createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(html);
  });
  await new Promise((resolve) => site.listen(otherPort, '127.0.0.1', resolve));
  browser = await launch(...flags);
});

after(async () => {
  await browser?.close();
  site?.close();
  await latchkey?.stop();
});

const signed =
  'AWS4-HMAC-SHA256 Credential=any/20270115/local/dynamodb/aws4_request, ' +
  'SignedHeaders=host;x-amz-date, Signature=0';
const operation = (target, body) => ({
  method: 'POST',
  headers: {
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': `DynamoDB_20120810.${target}`,
    'x-amz-date': '20270115T080000Z',
    authorization: signed,
  },
  body: JSON.stringify(body),
});
const scan = operation('Scan', { TableName: 'latchkey' });
const stolen = { pk: { S: 'of a page' }, sk: { S: 'of a page' } };
const put = operation('PutItem', { TableName: 'latchkey', Item: stolen });

/** In a page: returns what it learns from an answer. */
async function learn(url, request) {
  try {
    const response = await fetch(url, request);
    return { type: response.type, status: response.status, text: await response.text() };
  } catch (error) {
    return { refused: String(error) };
  }
}

/** Returns how many items there are. A program outside of a browser may ask. */
async function count() {
  const response = await fetch(tables, scan);
  assert.equal(response.status, 200);
  return (await response.json()).Count;
}

test('a page of another origin neither reads nor writes the tables', { skip }, async () => {
  const stored = await count();
  assert.ok(stored > 0);
  assert.ok(!latchkey.output().includes(refusal), 'a program is no page');
  const page = await browser.newPage();
  await page.goto(origin);
  const simple = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: scan.body };
  for (const request of [scan, put, simple, { method: 'GET' }]) {
    const learned = await page.evaluate(learn, tables, request);
    assert.match(learned.refused ?? JSON.stringify(learned), /^TypeError/);
  }
  for (const request of [simple, { method: 'GET' }]) {
    const learned = await page.evaluate(learn, tables, { ...request, mode: 'no-cors' });
    assert.deepEqual(learned, { type: 'opaque', status: 0, text: '' });
  }
  assert.equal(await count(), stored);
  assert.ok(latchkey.output().includes(refusal), 'the browser did ask');
});

test('nor does a page whose name leads to this machine', { skip }, async () => {
  const stored = await count();
  const page = await browser.newPage();
  const url = `http://${name}:${dynamodbPort}/`;
  // The page itself comes from where the name led before.
  await page.setRequestInterception(true);
  page.on('request', (request) =>
    request.isNavigationRequest()
      ? request.respond({ contentType: 'text/html', body: html })
      : request.continue(),
  );
  await page.goto(url);
  for (const request of [scan, put, { method: 'GET' }]) {
    const { type, status, text, refused } = await page.evaluate(learn, url, request);
    assert.equal(type, 'basic', `it is of the same origin: ${refused}`);
    assert.ok([403, 421].includes(status), `${status}`);
    assert.match(text, /AccessDeniedException/);
  }
  assert.equal(await count(), stored);
});
