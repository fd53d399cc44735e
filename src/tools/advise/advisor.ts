/**
 * Goes through the rows of an input once and gathers what makes their prompts longer than they need to be. Memory does not
 * grow with the rows: counters, a few candidates, and hashes up to a bound. What comes of it is in advice.ts.
 */
import { measureRequest } from '../../domain/estimate/request-text.ts';
import { requestTokens } from '../../domain/estimate/request-tokens.ts';
import { hashOf } from '../../domain/id-hash.ts';
import type { JsonObject } from '../../domain/row/shape.ts';
import type { RowReading, SourceRecord } from '../../domain/source.ts';
import { tokensOfText, TokensByModel } from './by-model.ts';
import { Lengths } from './lengths.ts';
import { firstText, PartReader, systemText, type PartKind, type PartOptions } from './parts.ts';
import { Repeats } from './repeats.ts';
import { SharedEnds } from './shared-ends.ts';
import { WASTE_KINDS, wasteOf, type WasteKind } from './waste.ts';

export interface PartSums {
  readonly name: string;
  readonly kind: PartKind;
  readonly all: TokensByModel;
  readonly lengths: Lengths;
  readonly waste: Readonly<Record<WasteKind, TokensByModel>>;
  /** The ends that its values share. */
  readonly ends: SharedEnds;
}

/** Beyond so many parts (templates name them) the others are not looked at. */
const PARTS_MAX = 200;

export class Advisor {
  readonly #reader: PartReader;
  readonly parts = new Map<string, PartSums>();
  readonly all = new TokensByModel();
  readonly repeats = new Repeats();
  /** Of rows that do not mark anything for the cache themselves. */
  readonly systems = new SharedEnds('start');
  readonly leads = new SharedEnds('start');
  readonly maxTokens = new Map<string, { rows: number; sum: number }>();
  readonly columns = new Set<string>();
  rows = 0;
  invalid = 0;
  cachingRows = 0;

  constructor(options: PartOptions) {
    this.#reader = new PartReader(options);
  }

  add(record: SourceRecord, reading: RowReading): void {
    if (!reading.ok) {
      this.invalid++;
      return;
    }
    const { paramsJson, model, maxTokens, caches, columns } = reading.row;
    this.rows++;
    const params = JSON.parse(paramsJson) as JsonObject;
    // As plan estimates a row of its sample: JSON around the texts is not what the model reads.
    const tokens = requestTokens(model, measureRequest(params)).expected;
    this.all.add(model, tokens);
    this.repeats.add(model, hashOf(paramsJson), tokens);
    const asked = this.maxTokens.get(model) ?? { rows: 0, sum: 0 };
    this.maxTokens.set(model, { rows: asked.rows + 1, sum: asked.sum + maxTokens });
    for (const column in columns) if (this.columns.size < PARTS_MAX) this.columns.add(column);
    if (caches) this.cachingRows++;
    else {
      this.systems.add(model, systemText(params));
      this.leads.add(model, firstText(params));
    }
    for (const { name, kind, text } of this.#reader.partsOf(record, params)) {
      const part = this.#part(name, kind);
      if (part && text !== '') addText(part, model, text);
    }
  }

  #part(name: string, kind: PartKind): PartSums | undefined {
    const known = this.parts.get(name);
    if (known || this.parts.size >= PARTS_MAX) return known;
    const waste = Object.fromEntries(WASTE_KINDS.map((one) => [one, new TokensByModel()])) as PartSums['waste'];
    const part = { name, kind, all: new TokensByModel(), lengths: new Lengths(), waste, ends: new SharedEnds('end') };
    this.parts.set(name, part);
    return part;
  }
}

function addText(part: PartSums, model: string, text: string): void {
  const tokens = tokensOfText(model, text);
  part.all.add(model, tokens);
  part.lengths.add(model, text.length, tokens);
  // What a template or a system text ends with is the same for all rows on purpose.
  if (part.kind === 'column' || part.name === 'messages') part.ends.add(model, text);
  const waste = wasteOf(text);
  for (const kind of WASTE_KINDS) part.waste[kind].add(model, (waste[kind] * tokens) / text.length);
}
