/**
 * The part of the composition root (context.ts) for pages: the web server, and what a page of a state folder looks at.
 */
import type { WebOptions, WebServer } from '../adapters/web/server.ts';
import type { ServeState } from '../tools/serve/state.ts';
import { hasState, openReading, type Context, type LedgerReading } from './context.ts';

/** What a page is made of. */
export type WebPage = Pick<WebOptions, 'files' | 'routes' | 'feed' | 'onError'>;

export interface WebParts {
  start(options: WebOptions): Promise<WebServer>;
  isLoopback(host: string): boolean;
}

export async function loadWeb(): Promise<WebParts> {
  const { startWeb, isLoopback } = await import('../adapters/web/server.ts');
  return { start: startWeb, isLoopback };
}

export interface OpenedState extends ServeState {
  close(): Promise<void>;
}

/**
 * The ledger is opened when there is one: a page may be open before the first submit. One that was deleted is let go, and
 * what lies there instead is opened.
 */
export async function openServeState({ stateFolder }: Context): Promise<OpenedState> {
  const { createDiskFiles } = await import('../adapters/disk-files.ts');
  const { createFormatter, errorsLine } = await import('../adapters/sinks/formatter.ts');
  let opened: LedgerReading | undefined;
  let opening: Promise<LedgerReading> | undefined;
  const current = async (): Promise<LedgerReading | null> => {
    if (opened?.isThere() === true) return opened;
    const gone = opened;
    opened = undefined;
    await gone?.close();
    if (!hasState(stateFolder)) return null;
    // Those that ask meanwhile wait for the same; where it fails, the next one tries again.
    opening ??= openReading(stateFolder).finally(() => (opening = undefined));
    opened = await opening;
    return opened;
  };
  return {
    folder: stateFolder,
    files: createDiskFiles(stateFolder),
    formats: { formatter: createFormatter, errorsLine },
    ledger: current,
    close: async () => {
      await (opened ?? (await opening))?.close();
    },
  };
}
