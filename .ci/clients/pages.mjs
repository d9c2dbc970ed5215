// What the tests of the pages behind links in mails share.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Opens a page in a browser without a history, with what it has thrown in `uncaught`, and what its policy
 * refused in `window.violations`.
 */
export async function open(browser, url, options = {}) {
  const { languages = 'en', scheme = 'light', width = 800, scripts = true, block } = options;
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const uncaught = [];
  page.on('pageerror', (error) => uncaught.push(String(error)));
  await page.setViewport({ width, height: 640 });
  await page.setJavaScriptEnabled(scripts);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.evaluateOnNewDocument(() => {
    window.violations = [];
    addEventListener('securitypolicyviolation', (violation) =>
      window.violations.push(`${violation.violatedDirective}: ${violation.blockedURI}`),
    );
  });
  const session = await page.createCDPSession();
  const userAgent = await browser.userAgent();
  await session.send('Network.setUserAgentOverride', { userAgent, acceptLanguage: languages });
  if (block) {
    await page.setRequestInterception(true);
    page.on('request', (request) =>
      block.test(request.url()) ? request.abort() : request.continue(),
    );
  }
  await page.goto(url);
  return Object.assign(page, { uncaught });
}

/** Checks that axe finds nothing, and that nothing is wider than the page. */
export async function plain(page, state) {
  // Evaluated by the DevTools, which no policy of the page binds.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
  });
  assert.deepEqual(found, [], state);
  const [wide, wider] = await page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    return [clientWidth, scrollWidth];
  });
  assert.ok(wider <= wide, `${state}: ${wider} pixels are wider than ${wide}`);
}
