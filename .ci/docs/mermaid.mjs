// Parses every Mermaid diagram of the pages that are named, with Mermaid's own parser.

import { readFileSync } from 'node:fs';

import { JSDOM } from 'jsdom';

// Mermaid asks for a page as soon as it is imported.
globalThis.window = new JSDOM('').window;
globalThis.document = window.document;
const { default: mermaid } = await import('mermaid');

let diagrams = 0;
for (const page of process.argv.slice(2)) {
  const blocks = readFileSync(page, 'utf8').matchAll(/^```mermaid\n([^]*?)^```$/gm);
  for (const [, diagram] of blocks) {
    diagrams += 1;
    try {
      await mermaid.parse(diagram);
    } catch (error) {
      console.error(`${page}: diagram "${diagram.split('\n')[0]}": ${error.message}`);
      process.exitCode = 1;
    }
  }
}
console.log(`${diagrams} diagrams`);
if (diagrams === 0) process.exitCode = 1;
