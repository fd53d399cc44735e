/**
 * What a .cpuprofile says, in text: one thread, its time by what it was doing, and the places that took most of it. Time
 * is self time: what a function spends in others is theirs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SPECIAL = {
  '(idle)': 'idle',
  '(garbage collector)': 'garbage collection',
  '(program)': 'native code and system',
};

/** The profiles of a folder by thread: Node names them CPU.<date>.<time>.<process>.<thread>.<number>.cpuprofile. */
export function readProfiles(folder) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  return files
    .map((name) => ({ path: join(folder, name), thread: Number(name.split('.')[4]), data: read(join(folder, name)) }))
    .sort((a, b) => a.thread - b.thread);
}

/** The text of one thread. */
export function reportOf({ path, thread, data }, top) {
  const { byFunction, byFile, byFolder, special, totalMs } = sums(data);
  const name = thread === 0 ? 'main thread' : `worker thread ${thread}`;
  const busyMs = totalMs - (special.idle ?? 0);
  const parts = Object.entries(special).map(([what, ms]) => `${what} ${ms.toFixed(0)} ms`);
  return [
    `\n=== ${name}: ${totalMs.toFixed(0)} ms, busy ${busyMs.toFixed(0)} ms; ${parts.join(', ')}`,
    `    ${path}`,
    ...section('by function (self time)', byFunction, busyMs, top),
    ...section('by file', byFile, busyMs, top / 2),
    ...section('by folder', byFolder, busyMs, top / 2),
    '',
  ].join('\n');
}

function read(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function sums({ nodes, samples, timeDeltas }) {
  const frames = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const [byFunction, byFile, byFolder, special] = [{}, {}, {}, {}];
  const add = (sum, key, ms) => (sum[key] = (sum[key] ?? 0) + ms);
  let totalMs = 0;
  samples.forEach((id, at) => {
    const ms = timeDeltas[at] / 1000;
    const { functionName, url, lineNumber } = frames.get(id);
    totalMs += ms;
    if (Object.hasOwn(SPECIAL, functionName)) return add(special, SPECIAL[functionName], ms);
    const file = placeOf(url);
    add(byFunction, `${functionName || '(no name)'}  ${file}${url === '' ? '' : `:${lineNumber + 1}`}`, ms);
    add(byFile, file, ms);
    add(byFolder, folderOf(file), ms);
  });
  return { byFunction, byFile, byFolder, special, totalMs };
}

/** From the program's own folder on, or from node_modules. */
function placeOf(url) {
  if (url === '') return '(built in)';
  if (!url.startsWith('file:')) return url.slice(0, 60);
  const path = fileURLToPath(url);
  const at = Math.max(path.lastIndexOf('/node_modules/'), path.lastIndexOf('/dist/'));
  return at < 0 ? path : path.slice(at + 1);
}

function folderOf(file) {
  if (file.startsWith('node:')) return 'node:';
  const parts = file.split('/');
  if (parts[0] === 'node_modules') return parts.slice(0, parts[1]?.startsWith('@') ? 3 : 2).join('/');
  return parts.length === 1 ? file : parts.slice(0, -1).join('/');
}

function section(title, sum, wholeMs, count) {
  const most = Object.entries(sum).sort(([, a], [, b]) => b - a);
  const lines = most.slice(0, count).map(([name, ms]) => {
    const share = wholeMs === 0 ? 0 : (100 * ms) / wholeMs;
    return `  ${ms.toFixed(1).padStart(9)} ms ${share.toFixed(1).padStart(5)} %  ${name}`;
  });
  return [`  -- ${title}`, ...lines];
}
