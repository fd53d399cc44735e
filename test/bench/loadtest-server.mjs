/**
 * The servers that `npm run bench:loadtest` measures against, in a process of their own. `known`: the simulator, whose
 * latencies follow a log-normal distribution to the last quantile (they are drawn by a sequence that fills it evenly).
 * `plain`: node:http and one fixed message, as fast as it goes.
 */
import { createServer } from 'node:http';

const GOLDEN = (Math.sqrt(5) - 1) / 2;

if (process.argv[2] === 'known') await known(Number(process.argv[3]), Number(process.argv[4]));
else plain();

async function known(medianMs, sigma) {
  const { systemClock } = await import('../../dist/base/clock.js');
  const { startSimServer } = await import('../../dist/tools/sim/server.js');
  const { createSimWorld } = await import('../../dist/tools/sim/world.js');
  let drawn = 0.5;
  const latency = () => {
    drawn = (drawn + GOLDEN) % 1;
    return medianMs * Math.exp(sigma * normalQuantile(drawn));
  };
  const plenty = { rpm: 1e9, itpm: 1e12, otpm: 1e12 };
  const options = { messageLatencyMs: latency, limits: { messages: plenty } };
  const server = await startSimServer(createSimWorld(options, systemClock), { port: 0 });
  process.send(server.origin);
}

function plain() {
  const usage = { input_tokens: 10, output_tokens: 5 };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-5-5', usage };
  const body = Buffer.from(
    JSON.stringify({ ...message, content: [{ type: 'text', text: 'Yes.' }], stop_reason: 'end_turn' }),
  );
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200, headers).end(body));
  });
  server.listen(0, '127.0.0.1', () => process.send(`http://127.0.0.1:${server.address().port}`));
}

/** Acklam's approximation, good to nine digits. */
export function normalQuantile(p) {
  const a = [
    -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
  ];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
  const c = [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const poly = (list, x) => list.reduce((sum, one) => sum * x + one, 0);
  if (p < 0.02425 || p > 0.97575) {
    const q = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
    return ((p < 0.5 ? 1 : -1) * poly(c, q)) / (poly(d, q) * q + 1);
  }
  const q = p - 0.5;
  const r = q * q;
  return (poly(a, r) * q) / (poly(b, r) * r + 1);
}
