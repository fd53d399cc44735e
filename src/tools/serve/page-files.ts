/**
 * The files of the page of `serve`, by the path in the address: what is not listed is not served.
 */

const SCRIPTS = [
  'actions.js',
  'api.js',
  'app.js',
  'bar.js',
  'charts.js',
  'chunks.js',
  'dom.js',
  'failures.js',
  'format.js',
  'home.js',
  'keys.js',
  'limits.js',
  'log.js',
  'rates.js',
  'run.js',
  'stream.js',
  'timeline.js',
];

export const PAGE_FILES: Readonly<Record<string, string>> = {
  '/': 'index.html',
  '/style.css': 'style.css',
  '/icon.svg': 'icon.svg',
  ...Object.fromEntries(SCRIPTS.map((name) => [`/${name}`, name])),
};
