/**
 * The keys of a pool: which workspace each opens, whose limits it shares, and which ones are set aside because the API
 * refused them or their money is gone. A batch is followed with a key of the workspace that made it; new work goes out
 * with any key that is not set aside. One key alone is a pool of one: nothing here changes what it does.
 */
import type { BlockedVerdict } from '../../domain/failure-router.ts';
import type { ApiEngine, KeyLink } from '../engine.ts';

/** One workspace: any of its keys sees all its batches. */
export interface Place {
  readonly links: readonly [KeyLink, ...KeyLink[]];
  /** Is this one of its names in the ledger: `BatchApi.workspace` of one of its keys? */
  readonly hasName: (workspace: string) => boolean;
}

/** What the API has asked all keys of one organization to wait for, on the clock that never jumps. */
export interface Pace {
  quietUntilMs: number;
  createNotBeforeMs: number;
  /** Calls of the batch endpoints are used up until then: those that are paid for go out. */
  callsNotBeforeMs: number;
  /** Creates in a row that came to nothing. */
  createFailures: number;
  /** The last create was refused because the queue, or the number of batches, is at its limit. */
  lacksRoom: boolean;
}

/** A chunk that stands still because no key of its workspace may look. */
interface Stuck {
  readonly runId: string;
  readonly chunkNo: number;
  readonly reason: string;
}

export class KeyBook {
  readonly links: readonly [KeyLink, ...KeyLink[]];
  readonly places: readonly [Place, ...Place[]];
  /** Chunks that are blocked because nobody can look into their workspace now. */
  readonly stuck = new Map<Place, readonly Stuck[]>();
  /** Workspaces of keys that are not in the pool any more, whose batches a place has shown. */
  readonly #aliases = new Map<string, Place>();
  readonly #aside = new Map<KeyLink, BlockedVerdict>();
  readonly #blind = new Set<KeyLink>();
  readonly #paces = new Map<string, Pace>();

  constructor({ api, keys }: Pick<ApiEngine, 'api' | 'keys'>) {
    const [first, second, ...others] = keys ?? [];
    const alone: KeyLink = first ?? { api, organization: null, reported: null, label: 'the key' };
    this.links = first && second ? [first, second, ...others] : [alone];
    this.places = placesOf(this.links);
    const refused = this.several ? this.links.filter((link) => link.refused) : [];
    // Where all were refused the next call says so: somebody has to be told, and what blocks is written down.
    if (refused.length === this.links.length) return;
    for (const link of refused) {
      if (link.refused) this.#aside.set(link, link.refused);
      this.#blind.add(link);
    }
  }

  /** Is there more than one key? */
  get several(): boolean {
    return this.links.length > 1;
  }

  /** All keys, masked. */
  get labels(): string {
    return this.links.map(({ label }) => label).join(', ');
  }

  /**
   * Where batches of this workspace are followed; null where that may be any of several places, because its key is not
   * in the pool, or is refused before the API has told its workspace: another key may well be of the same one.
   */
  placeOf(workspace: string): Place | null {
    const named = this.named(workspace);
    if (this.places.length === 1) return this.places[0];
    const isUnknown = named?.links.every(({ reported }) => reported === null) === true && !this.canSee(named);
    return isUnknown ? null : named;
  }

  /** The place of the key that this is the workspace of, or that has shown its batches; null where no key is known. */
  named(workspace: string): Place | null {
    return this.#aliases.get(workspace) ?? this.places.find((place) => place.hasName(workspace)) ?? null;
  }

  /** A batch that was made with another key shows here: that key was one of this workspace. */
  learn(workspace: string, place: Place): void {
    if (this.named(workspace) !== place) this.#aliases.set(workspace, place);
  }

  /** The keys of a place for looks, those that may look first. */
  seers(place: Place): readonly KeyLink[] {
    return place.links.toSorted((one, other) => Number(this.#blind.has(one)) - Number(this.#blind.has(other)));
  }

  seer(place: Place): KeyLink {
    return this.seers(place)[0] ?? place.links[0];
  }

  /** The API has refused, or has answered, a look with this key. */
  noteSight(link: KeyLink, sees: boolean): void {
    if (sees) this.#blind.delete(link);
    else this.#blind.add(link);
  }

  /** May any key of this place look? */
  canSee({ links }: Place): boolean {
    return links.some((link) => !this.#blind.has(link));
  }

  /** How many workspaces somebody may look into. */
  get seeing(): number {
    return this.places.filter((place) => this.canSee(place)).length;
  }

  /** No new work for this key. Gives true when it was not set aside before. */
  setAside(link: KeyLink, verdict: BlockedVerdict): boolean {
    if (this.#aside.has(link)) return false;
    this.#aside.set(link, verdict);
    return true;
  }

  isAside(link: KeyLink): boolean {
    return this.#aside.has(link);
  }

  /** Why no key is left: what was said of each of them. */
  get refusals(): readonly BlockedVerdict[] {
    return [...this.#aside].map(([link, verdict]) => naming(link, verdict));
  }

  paceOf(link: KeyLink): Pace {
    // Keys of which the API tells no organization may well be of one: they wait together.
    const name = link.organization ?? '';
    const pace = this.#paces.get(name) ?? {
      ...{ quietUntilMs: 0, createNotBeforeMs: 0, callsNotBeforeMs: 0, createFailures: 0, lacksRoom: false },
    };
    this.#paces.set(name, pace);
    return pace;
  }

  /** When batch calls may go on there; of no place in particular: when the first one may. */
  quietUntilMs(place: Place | null): number {
    if (place) return this.paceOf(place.links[0]).quietUntilMs;
    return Math.min(...this.links.map((link) => this.paceOf(link).quietUntilMs));
  }

  /** When the next create may go out with any key. */
  get createNotBeforeMs(): number {
    const links = this.links.filter((link) => !this.isAside(link));
    return Math.min(...(links.length > 0 ? links : this.links).map((link) => this.createTimeOf(link)));
  }

  createTimeOf(link: KeyLink): number {
    return Math.max(this.toldTimeOf(link), this.paceOf(link).callsNotBeforeMs);
  }

  /** The same for a create whose calls are paid for. */
  toldTimeOf(link: KeyLink): number {
    const { createNotBeforeMs, quietUntilMs } = this.paceOf(link);
    return Math.max(createNotBeforeMs, quietUntilMs);
  }

  /** Whose limits this key draws on. Keys of which the API tells no organization may well be of one. */
  organizationOf(link: KeyLink): string {
    return link.organization ?? this.links[0].api.workspace;
  }

  get organizations(): ReadonlySet<string> {
    return new Set(this.links.map((link) => this.organizationOf(link)));
  }
}

/** How much is under way, by organization and by key's workspace. */
export class KeyLoad {
  readonly #book: KeyBook;
  readonly #sums = new Map<Pace | Place, { batches: number; rows: number }>();

  constructor(book: KeyBook) {
    this.#book = book;
  }

  /** One more batch of this workspace. That of a key that is not in the pool takes nobody's room that we know. */
  add(workspace: string, rows: number): void {
    const place = this.#book.placeOf(workspace);
    if (!place) return;
    for (const whose of [this.#book.paceOf(place.links[0]), place]) {
      const sum = this.#of(whose);
      this.#sums.set(whose, { batches: sum.batches + 1, rows: sum.rows + rows });
    }
  }

  /** Negative where the first has more room. */
  compare(one: KeyLink, other: KeyLink): number {
    const [a, b] = [this.#measures(one), this.#measures(other)];
    const at = a.findIndex((measure, nth) => measure !== b[nth]);
    return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
  }

  #measures(link: KeyLink): readonly number[] {
    const place = this.#book.places.find(({ links }) => links.includes(link)) ?? this.#book.places[0];
    const [ofAll, here] = [this.#of(this.#book.paceOf(link)), this.#of(place)];
    return [ofAll.batches, ofAll.rows, here.batches, here.rows];
  }

  #of(whose: Pace | Place): { readonly batches: number; readonly rows: number } {
    return this.#sums.get(whose) ?? { batches: 0, rows: 0 };
  }
}

/** The keys that may be used for new work, the one with most room first. */
export function usableKeys({ keys }: { readonly keys: KeyBook }, load: KeyLoad | null = null): readonly KeyLink[] {
  const usable = keys.links.filter((link) => !keys.isAside(link));
  return load === null ? usable : usable.toSorted((one, other) => load.compare(one, other));
}

/** The same refusal in the words of a pool: which key it is about. */
export function naming(link: KeyLink, verdict: BlockedVerdict): BlockedVerdict {
  const hint =
    verdict.reason === 'credentials'
      ? 'Check this key (`batchrun doctor` shows every key of the pool), or take it out of the pool, then run `batchrun collect` again.'
      : verdict.hint;
  return { ...verdict, message: `key ${link.label}: ${verdict.message}`, hint };
}

/** Keys of one workspace together, in the order of the pool. */
function placesOf(links: KeyBook['links']): readonly [Place, ...Place[]] {
  const groups: [KeyLink, ...KeyLink[]][] = [];
  for (const link of links) {
    const group = groups.find((one) => one.some((other) => isSameWorkspace(link, other)));
    if (group) group.push(link);
    else groups.push([link]);
  }
  const [first = links, ...others] = groups;
  return [toPlace(first), ...others.map(toPlace)];
}

function toPlace(links: readonly [KeyLink, ...KeyLink[]]): Place {
  return { links, hasName: (workspace) => links.some(({ api }) => api.workspace === workspace) };
}

function isSameWorkspace(one: KeyLink, other: KeyLink): boolean {
  if (one.api.workspace === other.api.workspace) return true;
  return one.reported !== null && one.reported === other.reported && one.organization === other.organization;
}
