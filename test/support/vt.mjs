/**
 * A terminal in memory, as far as batchrun uses one: what is written to it gives what stands on the screen, with colours.
 * For tests that look at a screen, and for the pictures of the README.
 */

/** @typedef {{ text: string, fg: number | null, bold: boolean, dim: boolean }} Cell */

const SEQUENCE = /\u001b\[([?0-9;]*)([A-Za-z])|\u001b[=>78]|[\r\n\b\u0007]|\p{Extended_Pictographic}\ufe0f?|[^]/gu;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60]|\p{Emoji_Presentation}/u;

export class Vt {
  /**
   * @param {number} columns
   * @param {number} rows
   */
  constructor(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    /** Is the page of its own shown, which leaves what was there before untouched? */
    this.isAlternate = false;
    this.isCursorShown = true;
    this.wraps = true;
    /** Lines that have gone out at the top of the first page are kept, as a terminal does. */
    this.main = [[]];
    /** @type {(Cell | null)[][]} */
    this.alternate = [];
    this.row = 0;
    this.column = 0;
    this.saved = [0, 0];
    this.style = { fg: null, bold: false, dim: false };
    this.pending = '';
  }

  get page() {
    return this.isAlternate ? this.alternate : this.main;
  }

  /** @param {string} text */
  write(text) {
    const all = this.pending + text;
    // A sequence may come in two pieces.
    const open = /\u001b(\[[?0-9;]*)?$/.exec(all);
    this.pending = open ? open[0] : '';
    const whole = open ? all.slice(0, open.index) : all;
    for (const match of whole.matchAll(SEQUENCE)) {
      if (match[2] !== undefined) this.#control(match[1] ?? '', match[2]);
      else this.#sign(match[0]);
    }
  }

  /**
   * @param {number} columns
   * @param {number} rows
   */
  resize(columns, rows) {
    this.columns = columns;
    this.rows = rows;
  }

  /** The lines of the page that is shown, without blanks at their ends. */
  get lines() {
    return this.page.map((line) => textOf(line));
  }

  get text() {
    return this.lines.join('\n');
  }

  #sign(sign) {
    if (sign === '\r') this.column = 0;
    else if (sign === '\n') this.row++;
    else if (sign === '\b') this.column = Math.max(0, this.column - 1);
    else if (sign >= ' ' && sign !== '\u007f') this.#put(sign);
  }

  #put(sign) {
    const width = WIDE.test(sign) || sign.endsWith('\ufe0f') ? 2 : 1;
    if (this.column + width > this.columns) {
      if (this.wraps) {
        this.row++;
        this.column = 0;
      } else this.column = this.columns - width;
    }
    const line = this.#line();
    line[this.column] = { text: sign, ...this.style };
    if (width === 2) line[this.column + 1] = null;
    this.column += width;
  }

  #line() {
    const { page } = this;
    while (page.length <= this.row) page.push([]);
    return page[this.row];
  }

  #control(parameters, letter) {
    const numbers = parameters.replace('?', '').split(';').map(Number);
    const [first = 0, second = 0] = numbers;
    if (parameters.startsWith('?')) this.#mode(first, letter === 'h');
    else if (letter === 'H') [this.row, this.column] = [Math.max(1, first) - 1, Math.max(1, second) - 1];
    else if (letter === 'J') this.#clear(first);
    else if (letter === 'C') this.column += Math.max(1, first);
    else if (letter === 'D') this.column = Math.max(0, this.column - Math.max(1, first));
    else if (letter === 'K') this.#line().splice(first === 2 ? 0 : this.column);
    else if (letter === 'm') for (const number of numbers) this.#paint(number);
  }

  /** All of the page, or from the cursor to its end. */
  #clear(what) {
    if (what === 2) this.page.length = 0;
    else {
      this.#line().splice(this.column);
      this.page.length = this.row + 1;
    }
  }

  #mode(mode, isOn) {
    if (mode === 25) this.isCursorShown = isOn;
    if (mode === 7) this.wraps = isOn;
    if (mode !== 1049) return;
    if (isOn && !this.isAlternate) this.saved = [this.row, this.column];
    if (!isOn && this.isAlternate) [this.row = 0, this.column = 0] = this.saved;
    if (isOn) this.alternate = [];
    this.isAlternate = isOn;
  }

  #paint(number) {
    if (number === 0) this.style = { fg: null, bold: false, dim: false };
    else if (number === 1) this.style = { ...this.style, bold: true };
    else if (number === 2) this.style = { ...this.style, dim: true };
    else if (number >= 30 && number <= 37) this.style = { ...this.style, fg: number - 30 };
  }
}

/** @param {(Cell | null | undefined)[]} line */
function textOf(line) {
  return Array.from(line, (cell) => (cell === null ? '' : (cell?.text ?? ' ')))
    .join('')
    .trimEnd();
}
