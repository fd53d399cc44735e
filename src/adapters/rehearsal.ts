/**
 * What stands behind the ports of an engine that only rehearses: a ledger and files in memory, the real client on a fetch
 * that is given, the real formats. Nothing of it reaches a disk or a network.
 */
import { Writable } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import type { SchemaCompiler } from '../domain/answer-check.ts';
import type { Formats } from '../domain/output-record.ts';
import type { BatchApi, Files, Locks } from '../domain/ports.ts';
import type { Store } from '../domain/store.ts';
import { connectAnthropic } from './anthropic/api.ts';
import { createMemoryFiles, type MemoryFiles } from './memory-files.ts';
import { schemaCompiler } from './schema/compiler.ts';
import { createFormatter, errorsLine } from './sinks/formatter.ts';
import { openMemoryStore, type MemoryStore } from './sqlite/store.ts';

export interface RehearsalParts {
  readonly store: Store;
  readonly files: Files;
  readonly locks: Locks;
  readonly formats: Formats;
  readonly schemas: SchemaCompiler;
  /** The API behind this fetch. */
  connect(fetch: typeof globalThis.fetch, clock: Clock): Promise<BatchApi>;
  /** The same state, to go on with without changing this one. */
  copy(): RehearsalParts;
}

/** Opens nothing: the fetch that it is shown to lives in this process. */
const API_KEY = 'sk-ant-rehearsal';
const BASE_URL = 'http://rehearsal.invalid';

export function createRehearsalParts(): RehearsalParts {
  return partsOn(openMemoryStore(), createMemoryFiles());
}

function partsOn(memory: MemoryStore, files: MemoryFiles): RehearsalParts {
  return {
    store: memory.store,
    files,
    // Nobody else can be here.
    locks: { tryAcquire: () => Promise.resolve({ release: () => Promise.resolve() }) },
    formats: { formatter: createFormatter, errorsLine },
    schemas: schemaCompiler,
    async connect(fetch, clock) {
      const options = { files, clock, fetch, apiKey: API_KEY, baseURL: BASE_URL, stderr: nowhere() };
      return (await connectAnthropic(options)).api;
    },
    copy: () => partsOn(memory.copy(), files.copy()),
  };
}

/** The SDK's warnings are about what is rehearsed on purpose. */
function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
