/**
 * A bad network between a client and a server, on real sockets: it passes bytes on until an exchange (a request and its
 * answer) comes to the spot that a test has named, and then cuts, stalls or half-opens its connection. Everything is an
 * event: a test says what shall happen where, and awaits that it has.
 *
 * It does not parse HTTP. It knows that a request begins where bytes go up after bytes have come down, reads the first
 * line of it, and counts.
 */
import { once, setMaxListeners } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** Up: from the client to the server. */
export type Direction = 'up' | 'down';

/** Where in an exchange, in one direction, counted from its first byte. What lies before the spot still passes. */
export type Spot =
  | { readonly bytes: number }
  /** Counted from the end of the head. */
  | { readonly bodyBytes: number }
  /** So many bytes before the end of the body, by its content-length. */
  | { readonly fromEnd: number }
  /** Right behind the nth (default first) occurrence of a text. */
  | { readonly mark: string; readonly nth?: number };

/**
 * `reset` and `end` break the connection on both sides, with RST or with FIN. `stall` stops the bytes of one direction
 * or of both and closes nothing. `server_gone`: the server's side is closed and the client never hears of it;
 * `client_gone` the other way round.
 */
export type Deed = 'reset' | 'end' | 'stall' | 'stall_up' | 'stall_down' | 'server_gone' | 'client_gone';

export interface FateOptions {
  readonly direction: Direction;
  readonly at: Spot;
  readonly deed: Deed;
  /**
   * Tells the server that the client speaks HTTP/1.0, as old gateways do: its answer then ends with the connection, and
   * a clean end in the middle cannot be told from the real one.
   */
  readonly asHttp10?: boolean;
}

/** What waits for the next exchange whose first line matches. */
export class Fate {
  readonly pattern: RegExp;
  readonly options: FateOptions;
  /** The exchange that it has befallen. */
  readonly met: Promise<Exchange>;
  isMet = false;
  #resolve: (exchange: Exchange) => void = () => undefined;

  constructor(pattern: RegExp, options: FateOptions) {
    this.pattern = pattern;
    this.options = options;
    this.met = new Promise((resolve) => (this.#resolve = resolve));
  }

  befalls(exchange: Exchange): void {
    this.isMet = true;
    this.#resolve(exchange);
  }
}

/** A request and what came of it. */
export interface Exchange {
  /** The first line of the request. */
  readonly line: string;
  readonly connection: Connection;
  /** Bytes that have passed. */
  readonly carried: Record<Direction, number>;
}

export class TcpProxy {
  /** Where the bytes go. */
  readonly target: number;
  readonly connections: Connection[] = [];
  /** In the order in which they began. */
  readonly exchanges: Exchange[] = [];
  /** Bytes that have passed, over all connections. */
  readonly carried: Record<Direction, number> = { up: 0, down: 0 };
  /** A client that goes away is not told to the server: what has arrived of its request is served to the end. */
  hidesDeaths = false;
  readonly #fates: Fate[] = [];
  readonly #moved = new EventTarget();
  #server: Server | undefined;
  #port = 0;

  constructor(target: number) {
    this.target = target;
    // As many as like may wait for it to move.
    setMaxListeners(0, this.#moved);
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The next exchange whose first line matches comes to this end. */
  fate(pattern: RegExp, options: FateOptions): Fate {
    const fate = new Fate(pattern, options);
    this.#fates.push(fate);
    return fate;
  }

  /** Waits until this is so; it is looked at whenever bytes, beginnings or ends of connections have passed. */
  async until(isSo: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!isSo() && signal?.aborted !== true) {
      await once(this.#moved, 'moved', signal === undefined ? {} : { signal }).catch((error: unknown) => {
        if (signal?.aborted !== true) throw error;
      });
    }
  }

  /** Nobody listens any more: new connections are refused. Those that stand are left alone. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    // 'close' comes only when the last connection has ended; the port is free at once.
    server.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async accept(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      this.connections.push(new Connection(client, this));
      this.tell();
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
    this.#server = server;
  }

  async close(): Promise<void> {
    await this.refuse();
    for (const connection of this.connections) connection.destroy();
  }

  /** For its connections: an exchange has begun. Gives what is to become of it. */
  begins(exchange: Exchange): Fate | undefined {
    this.exchanges.push(exchange);
    const at = this.#fates.findIndex((fate) => fate.pattern.test(exchange.line));
    return at === -1 ? undefined : this.#fates.splice(at, 1)[0];
  }

  /** For its connections: something has moved. */
  tell(): void {
    this.#moved.dispatchEvent(new Event('moved'));
  }
}

/** A proxy in front of this port of this machine. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(target);
  await proxy.accept();
  return proxy;
}

/** `passes`; `held`: a stall keeps the bytes; `void`: the other side is gone, and the bytes with it. */
type LaneState = 'passes' | 'held' | 'void';

/** One direction of a connection. */
interface Lane {
  readonly from: Socket;
  readonly to: Socket;
  state: LaneState;
  held: Buffer[];
}

export class Connection {
  /** Bytes that have passed, over all exchanges. */
  readonly carried: Record<Direction, number> = { up: 0, down: 0 };
  isClosed = false;
  readonly #proxy: TcpProxy;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #lanes: Readonly<Record<Direction, Lane>>;
  /** The beginning of a request whose first line is not whole yet. */
  #beginning = Buffer.alloc(0);
  #exchange: Exchange | undefined;
  #fate: { readonly fate: Fate; readonly finder: SpotFinder } | undefined;

  constructor(client: Socket, proxy: TcpProxy) {
    this.#proxy = proxy;
    this.#client = client;
    this.#server = createConnection({ port: proxy.target, host: '127.0.0.1', allowHalfOpen: true });
    this.#lanes = {
      up: { from: this.#client, to: this.#server, state: 'passes', held: [] },
      down: { from: this.#server, to: this.#client, state: 'passes', held: [] },
    };
    for (const direction of ['up', 'down'] as const) this.#listen(direction);
  }

  /** The client has said its last. */
  get isLeft(): boolean {
    return this.#client.readableEnded || this.#client.destroyed;
  }

  /** After a stall: what was held passes, and so does what follows. */
  release(): void {
    for (const direction of ['up', 'down'] as const) {
      const lane = this.#lanes[direction];
      if (lane.state !== 'held') continue;
      lane.state = 'passes';
      for (const piece of lane.held.splice(0)) this.#carry(direction, piece);
      lane.from.resume();
    }
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #listen(direction: Direction): void {
    const lane = this.#lanes[direction];
    const { from, to } = lane;
    from.setNoDelay(true);
    from.on('data', (piece: Buffer) => this.#carry(direction, piece));
    to.on('drain', () => {
      if (lane.state !== 'held') from.resume();
    });
    // FIN is passed on as FIN, anything worse as RST.
    from.on('end', () => {
      if (lane.state === 'passes' && !this.#hides(direction)) to.end();
      this.#proxy.tell();
    });
    from.on('error', () => {
      if (lane.state === 'passes' && !this.#hides(direction)) to.resetAndDestroy();
    });
    from.on('close', () => {
      this.isClosed = this.#client.destroyed && this.#server.destroyed;
      this.#proxy.tell();
    });
  }

  /** Is this the end of a client that its server does not hear of? Then nobody takes the answer. */
  #hides(direction: Direction): boolean {
    if (direction === 'down' || !this.#proxy.hidesDeaths) return false;
    this.#lanes.down.state = 'void';
    this.#lanes.down.from.resume();
    return true;
  }

  #carry(direction: Direction, piece: Buffer): void {
    const lane = this.#lanes[direction];
    if (lane.state === 'void') return;
    if (lane.state === 'held') {
      lane.held.push(piece);
      return;
    }
    const bytes = direction === 'up' ? this.#recognise(piece) : piece;
    if (bytes === undefined) return;
    const spot = this.#fate?.fate.options.direction === direction ? this.#fate.finder.find(bytes) : undefined;
    if (spot === undefined) this.#forward(direction, bytes);
    else this.#befall(bytes, spot);
    this.#proxy.tell();
  }

  /** Bytes on their way up: gives them back when it is known which exchange they belong to. */
  #recognise(piece: Buffer): Buffer | undefined {
    if (this.#exchange !== undefined && this.#exchange.carried.down === 0) return piece;
    const isFirst = this.#beginning.length === 0 && this.#exchange !== undefined;
    // An answer that came before the end of its request: this is the rest of that.
    if (isFirst && !REQUEST_BEGINS.test(piece.toString('latin1', 0, 16))) return piece;
    this.#beginning = Buffer.concat([this.#beginning, piece]);
    const end = this.#beginning.indexOf('\r\n');
    if (end === -1) return undefined;
    const line = this.#beginning.toString('latin1', 0, end);
    const rest = this.#beginning.subarray(end);
    this.#beginning = Buffer.alloc(0);
    this.#exchange = { line, connection: this, carried: { up: 0, down: 0 } };
    const fate = this.#proxy.begins(this.#exchange);
    this.#fate = fate && { fate, finder: new SpotFinder(fate.options.at) };
    const sent = fate?.options.asHttp10 === true ? line.replace(/HTTP\/1\.1$/, 'HTTP/1.0') : line;
    return Buffer.concat([Buffer.from(sent, 'latin1'), rest]);
  }

  #forward(direction: Direction, bytes: Buffer, sent?: () => void): void {
    const { from, to } = this.#lanes[direction];
    this.carried[direction] += bytes.length;
    this.#proxy.carried[direction] += bytes.length;
    if (this.#exchange) this.#exchange.carried[direction] += bytes.length;
    if (!to.write(bytes, sent)) from.pause();
  }

  /** The spot lies in these bytes: those before it pass, and then it happens. */
  #befall(bytes: Buffer, spot: number): void {
    const { fate } = this.#fate ?? {};
    const exchange = this.#exchange;
    if (!fate || !exchange) return;
    this.#fate = undefined;
    const { direction, deed } = fate.options;
    const done = (): void => {
      fate.befalls(exchange);
      this.#proxy.tell();
    };
    if (deed === 'stall' || deed === 'stall_up' || deed === 'stall_down') {
      this.#forward(direction, bytes.subarray(0, spot), done);
      for (const stalled of ['up', 'down'] as const)
        if (deed === 'stall' || deed === `stall_${stalled}`) this.#hold(stalled);
      const lane = this.#lanes[direction];
      if (lane.state === 'held') lane.held.push(bytes.subarray(spot));
      else this.#forward(direction, bytes.subarray(spot));
      return;
    }
    // What passes must have left before the break, or it would be lost with it.
    this.#forward(direction, bytes.subarray(0, spot), () => {
      this.#break(deed);
      done();
    });
    for (const lane of Object.values(this.#lanes)) {
      lane.state = 'void';
      // The side that is left is still read, so that its own end is noticed.
      lane.from.resume();
    }
  }

  #hold(direction: Direction): void {
    const lane = this.#lanes[direction];
    lane.state = 'held';
    lane.from.pause();
  }

  #break(deed: 'reset' | 'end' | 'server_gone' | 'client_gone'): void {
    switch (deed) {
      case 'reset':
        this.#client.resetAndDestroy();
        this.#server.resetAndDestroy();
        return;
      case 'end':
        this.#client.end();
        this.#server.end();
        return;
      case 'server_gone':
        this.#server.destroy();
        return;
      case 'client_gone':
        this.#client.destroy();
    }
  }
}

/** Nothing but a method, or a method and the beginning of a path. */
const REQUEST_BEGINS = /^[A-Z]{1,7}(?:$| $| \/)/;
const HEAD_END = '\r\n\r\n';

/** Finds a spot in bytes that come in pieces. */
class SpotFinder {
  readonly #spot: Spot;
  #seen = 0;
  #head = '';
  /** Where the spot is, in bytes from the beginning, as soon as that is known. */
  #position: number | undefined;
  #marksLeft = 0;
  #tail = '';

  constructor(spot: Spot) {
    this.#spot = spot;
    if ('bytes' in spot) this.#position = spot.bytes;
    if ('mark' in spot) this.#marksLeft = spot.nth ?? 1;
  }

  /** How many bytes of this piece lie before the spot; undefined where it lies beyond. */
  find(piece: Buffer): number | undefined {
    if (this.#position === undefined) this.#locate(piece);
    const before = this.#seen;
    this.#seen += piece.length;
    if (this.#position === undefined || this.#position > this.#seen) return undefined;
    return Math.max(0, this.#position - before);
  }

  #locate(piece: Buffer): void {
    const spot = this.#spot;
    const text = piece.toString('latin1');
    if ('mark' in spot) {
      this.#countMarks(spot.mark, text);
      return;
    }
    this.#head += text;
    const end = this.#head.indexOf(HEAD_END);
    if (end === -1) return;
    const headBytes = end + HEAD_END.length;
    if ('bodyBytes' in spot) this.#position = headBytes + spot.bodyBytes;
    if (!('fromEnd' in spot)) return;
    const length = /^content-length: *(\d+)/im.exec(this.#head.slice(0, end))?.[1];
    if (length === undefined) throw new Error(`no content-length in ${this.#head.slice(0, end)}`);
    this.#position = headBytes + Number(length) - spot.fromEnd;
  }

  #countMarks(mark: string, text: string): void {
    const window = this.#tail + text;
    const windowStart = this.#seen - this.#tail.length;
    for (let at = window.indexOf(mark); at !== -1; at = window.indexOf(mark, at + mark.length)) {
      if (--this.#marksLeft > 0) continue;
      this.#position = windowStart + at + mark.length;
      return;
    }
    this.#tail = window.slice(Math.max(0, window.length - mark.length + 1));
  }
}
