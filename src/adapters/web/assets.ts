/**
 * The files of the pages as they lie in the package (src/web, copied beside the program by the build), and uPlot as it
 * lies in node_modules. They are read once and sent packed where the browser takes that.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Assets {
  /** False where there is no such file. */
  readonly serve: (path: string, request: IncomingMessage, response: ServerResponse) => boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

const UPLOT: Readonly<Record<string, string>> = {
  '/vendor/uplot.js': 'uplot/dist/uPlot.iife.min.js',
  '/vendor/uplot.css': 'uplot/dist/uPlot.min.css',
};

/** `files`: by the path in the address, the name of the file below src/web. */
export function loadAssets(files: Readonly<Record<string, string>>): Assets {
  const require = createRequire(import.meta.url);
  const found = new Map<string, Asset>();
  for (const [path, name] of Object.entries(files)) {
    found.set(path, assetOf(name, readFileSync(new URL(`../../web/${name}`, import.meta.url))));
  }
  for (const [path, name] of Object.entries(UPLOT)) found.set(path, assetOf(name, readFileSync(require.resolve(name))));
  return {
    serve: (path, request, response) => {
      const asset = found.get(path);
      if (!asset) return false;
      const packs = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
      const bytes = packs ? asset.packed() : asset.bytes;
      response.writeHead(200, {
        'content-type': asset.type,
        'content-length': bytes.length,
        vary: 'accept-encoding',
        ...(packs ? { 'content-encoding': 'gzip' } : {}),
      });
      response.end(request.method === 'HEAD' ? undefined : bytes);
      return true;
    },
  };
}

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  readonly packed: () => Buffer;
}

function assetOf(name: string, bytes: Buffer): Asset {
  let packed: Buffer | undefined;
  const type = TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
  return { type, bytes, packed: () => (packed ??= gzipSync(bytes)) };
}
