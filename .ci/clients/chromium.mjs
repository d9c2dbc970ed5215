// A Chromium for the tests, and pages for it: of another origin than the API's, and under the content
// security policy of docs/clients.md.

import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { extname } from 'node:path';

import puppeteer from 'puppeteer-core';

import { otherPort, port } from './server.mjs';

const places = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const found = places.map((name) => `/usr/bin/${name}`).find((path) => existsSync(path));
const executablePath = process.env.CHROMIUM ?? found;
if (!executablePath && process.env.REQUIRE_BROWSER) throw new Error('no Chromium');

/** Why the tests of this machine are skipped, or false. */
export const skip = executablePath ? false : 'no Chromium at the usual places, nor in $CHROMIUM';
export const api = `http://127.0.0.1:${port}`;
export const origin = `http://localhost:${otherPort}`;
/** docs/clients.md, as if it had been written for these addresses. */
export const manual = readFileSync('docs/clients.md', 'utf8')
  .replaceAll('http://127.0.0.1:3000', api)
  .replaceAll('http://localhost:5173', origin)
  .replaceAll('https://api.example.com', api);

const policy = /^Content-Security-Policy: (.*)$/m.exec(manual)[1];
const types = { '.css': 'text/css', '.html': 'text/html', '.mjs': 'text/javascript' };

/** Without its sandbox, since it may run as root and sees no page but ours. */
export const launch = (...args) =>
  puppeteer.launch({ executablePath, args: ['--no-sandbox', ...args] });

/** Waits until the page shows a text in an element. */
export const shows = (page, selector, text) =>
  page
    .waitForFunction(
      (selector, text) => {
        const found = document.querySelector(selector);
        return found?.checkVisibility() && found.textContent === text;
      },
      { timeout: 15_000 },
      selector,
      text,
    )
    .catch(async () => {
      const body = await page.evaluate(() => document.body.innerText);
      throw new Error(`${selector} does not show "${text}": ${body}\n${page.uncaught}`);
    });

/** Serves files by their paths; `/` is `/index.html`. */
export async function serve(files) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, origin);
    const path = pathname === '/' ? '/index.html' : pathname;
    const isThere = Object.hasOwn(files, path);
    response.statusCode = isThere ? 200 : 404;
    response.setHeader('content-type', types[extname(path)] ?? 'text/html');
    response.setHeader('content-security-policy', policy);
    response.end(isThere ? files[path] : '');
  });
  await new Promise((resolve) => server.listen(otherPort, '127.0.0.1', resolve));
  return server;
}
