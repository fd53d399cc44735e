export interface Cell {
  readonly text: string;
  /** 0 to 7, as in the sequences. */
  readonly fg: number | null;
  readonly bold: boolean;
  readonly dim: boolean;
}

export class Vt {
  constructor(columns: number, rows: number);
  readonly columns: number;
  readonly rows: number;
  readonly isAlternate: boolean;
  readonly isCursorShown: boolean;
  readonly wraps: boolean;
  /** The second half of a wide sign is null. */
  readonly page: readonly (readonly (Cell | null | undefined)[])[];
  readonly lines: readonly string[];
  readonly text: string;
  write(text: string): void;
  resize(columns: number, rows: number): void;
}
