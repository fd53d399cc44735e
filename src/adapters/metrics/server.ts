/**
 * `--metrics-port`: GET /metrics on 127.0.0.1, and nothing else, for a Prometheus on the same machine. It never keeps the
 * process alive and is gone with the command.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { BatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import { PROMETHEUS_TYPE } from './prometheus.ts';

const HOST = '127.0.0.1';

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** `text` makes the answer anew for each look. Port 0 is a free one. */
export async function serveMetrics(port: number, text: () => Promise<string>): Promise<MetricsServer> {
  const server = createServer((request, response) => void answer(request, response, text));
  server.unref();
  try {
    server.listen(port, HOST);
    await once(server, 'listening');
  } catch (error) {
    const why = systemCodeOf(error) === 'EADDRINUSE' ? 'is taken by another process' : messageOf(error);
    throw new BatchrunError('E_METRICS_PORT', `port ${port} for --metrics-port ${why}`, { cause: error });
  }
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${HOST}:${bound}/metrics`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, text: () => Promise<string>): Promise<void> {
  const path = request.url?.split('?')[0];
  const isLook = request.method === 'GET' || request.method === 'HEAD';
  if (path !== '/metrics') return void response.writeHead(404).end('only /metrics is here\n');
  if (!isLook) return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
  try {
    const body = await text();
    response.writeHead(200, { 'content-type': PROMETHEUS_TYPE }).end(body);
  } catch {
    // The engine meets the same ledger and reports what is wrong with it; the next look tries again.
    response.writeHead(500).end('the metrics cannot be read now\n');
  }
}
