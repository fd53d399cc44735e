/**
 * A screen as SVG. Letters are text, so that the picture is small and sharp; what bars and lines are made of is drawn,
 * since fonts differ there. Every piece of text has its width written down: the grid holds whatever the font.
 */
const CELL = { width: 8.4, height: 19 };
const MARGIN = 18;
const BAR = 36;
const INK = '#d7dce5';
const PAPER = '#11151c';
const COLOURS = ['#3b4252', '#f07178', '#8ccf7e', '#e5c76b', '#67b0e8', '#c47fd5', '#6cbfbf', INK];

/**
 * @param {import('../support/vt.mjs').Vt} vt
 * @param {string} title
 */
export function toSvg(vt, title) {
  const lines = vt.page.slice(0, lastLine(vt) + 1);
  const width = Math.ceil(vt.columns * CELL.width + 2 * MARGIN);
  const height = Math.ceil(lines.length * CELL.height + BAR + MARGIN + 8);
  const drawn = lines.flatMap((line, row) => drawLine(line, BAR + 8 + row * CELL.height));
  const lights = ['#f07178', '#e5c76b', '#8ccf7e'].map(
    (fill, at) => `<circle cx="${MARGIN + 4 + at * 18}" cy="18" r="5.5" fill="${fill}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14">
<rect width="${width}" height="${height}" rx="10" fill="${PAPER}"/>
${lights.join('')}
<text x="${width / 2}" y="23" text-anchor="middle" fill="#7d8799" font-size="13">${escaped(title)}</text>
${drawn.join('\n')}
</svg>
`;
}

function lastLine(vt) {
  return vt.lines.findLastIndex((line) => line !== '');
}

function drawLine(line, top) {
  const parts = [];
  for (let at = 0; at < line.length;) {
    const cell = line[at];
    if (!cell || cell.text === ' ') {
      at++;
      continue;
    }
    let end = at + 1;
    const shape = SHAPES[cell.text];
    const isAlike = (next) =>
      next &&
      next.fg === cell.fg &&
      next.bold === cell.bold &&
      next.dim === cell.dim &&
      Boolean(SHAPES[next.text]) === Boolean(shape);
    while (
      end < line.length &&
      (line[end] === null || (isAlike(line[end]) && (!shape || line[end].text === cell.text)))
    )
      end++;
    parts.push(shape ? drawShape(shape, cell, at, end, top) : drawText(line, cell, at, end, top));
    at = end;
  }
  return parts;
}

function drawText(line, cell, from, end, top) {
  const text = Array.from(line.slice(from, end), (one) => one?.text ?? '')
    .join('')
    .trimEnd();
  const columns =
    Array.from(line.slice(from, end), (one) => (one === null ? '' : one.text)).join('').length - text.length;
  const width = round((end - from - columns) * CELL.width);
  const weight = cell.bold ? ' font-weight="600"' : '';
  return `<text xml:space="preserve" x="${x(from)}" y="${round(top + 14)}" textLength="${width}" lengthAdjust="spacingAndGlyphs" ${paint(cell)}${weight}>${escaped(text)}</text>`;
}

function drawShape({ y, height, opacity, share = 1 }, cell, from, end, top) {
  const width = round((end - from) * CELL.width * share);
  return `<rect x="${x(from)}" y="${round(top + y)}" width="${width}" height="${height}" ${paint(cell, opacity)}/>`;
}

/** What bars are made of. */
const SHAPES = {
  '█': { y: 3, height: 13, opacity: 1 },
  '▚': { y: 3, height: 13, opacity: 0.95 },
  '▒': { y: 3, height: 13, opacity: 0.6 },
  '░': { y: 3, height: 13, opacity: 0.28 },
  '━': { y: 8, height: 4, opacity: 1 },
  '╸': { y: 8, height: 4, opacity: 1, share: 0.5 },
  '─': { y: 9, height: 2, opacity: 0.25 },
};

function paint({ fg, dim }, opacity = 1) {
  const own = round(opacity * (dim ? 0.6 : 1));
  return `fill="${fg === null ? INK : COLOURS[fg]}"${own === 1 ? '' : ` opacity="${own}"`}`;
}

function x(column) {
  return round(MARGIN + column * CELL.width);
}

function round(value) {
  return Math.round(value * 100) / 100;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
