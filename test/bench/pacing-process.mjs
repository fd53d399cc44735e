/**
 * A contestant of pacing-peers.mjs in a process of its own, in real time: `{ name, baseURL, rpm, rows }` as JSON comes in on
 * stdin, and what came of it goes out on stdout.
 */
import { text } from 'node:stream/consumers';
import { PEERS } from './pacing-peers.mjs';

const { name, ...task } = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(await PEERS[name].run(task)));
