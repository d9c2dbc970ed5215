// `cargo run`'s binary for the tests, ended with them.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const binary = process.env.LATCHKEY ?? 'target/debug/latchkey';

export const dynamodbPort = Number(process.env.CLIENTS_DYNAMODB_PORT ?? 8010);
export const port = Number(process.env.CLIENTS_PORT ?? 3010);
/** For what stands beside it: the proxy, or the pages. */
export const otherPort = Number(process.env.CLIENTS_OTHER_PORT ?? 3011);

/**
 * Starts a Latchkey that forgets all; its signing key lies in the folder `data`. `output` returns what it
 * has printed.
 */
export async function start(...parameters) {
  const data = mkdtempSync(join(tmpdir(), 'latchkey-'));
  const flags = parameters.flatMap((parameter) => ['--parameter', parameter]);
  const ports = ['--port', port, '--dynamodb-port', dynamodbPort, '--mail-port', 0];
  const server = spawn(binary, ['--ephemeral', '--data-dir', data, ...ports, ...flags]);
  const ended = new Promise((resolve) => server.on('exit', resolve));
  const stop = () => {
    server.kill();
    rmSync(data, { recursive: true, force: true });
    return ended;
  };
  process.on('exit', stop);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  let said = '';
  await new Promise((resolve, reject) => {
    const hear = (chunk) => {
      said += chunk;
      if (said.includes('Latchkey listens')) resolve();
    };
    server.stdout.on('data', hear);
    server.stderr.on('data', hear);
    server.on('exit', () => reject(new Error(`${binary} ended: ${said}`)));
    server.on('error', reject);
  });
  return { data, stop, output: () => said };
}
