/**
 * The sink (sink.mjs) in a process of its own, and what the environment of a client needs to talk to it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { script } from './places.mjs';

const KEY = 'sk-bench-0000000000';

/** `args`: those of sink.mjs. */
export async function startSink(args = []) {
  const sink = spawn(process.execPath, [script('sink.mjs'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [address] = await once(sink.stdout, 'data');
  return { env: clientEnv(String(address).trim()), stop: () => sink.kill('SIGKILL') };
}

/** An address where nobody listens, until the sink is started there (`--port`): a run belongs to one address. */
export async function unusedAddress() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return { port: String(port), env: clientEnv(`http://127.0.0.1:${port}`) };
}

function clientEnv(baseUrl) {
  return { ANTHROPIC_BASE_URL: baseUrl, ANTHROPIC_API_KEY: KEY };
}
