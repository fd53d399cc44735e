/**
 * From what a rules file holds to routes. Everything that is wrong is said at once, each with the rule, the place in it,
 * and the known name that is nearest.
 */
import { BatchrunError } from '../../base/errors.ts';
import { PRIORITIES, toPriority } from '../priority.ts';
import { isObject, kindOf, shown } from '../row/shape.ts';
import { refuseOther, refuseUnknown, type Complaint } from './complaints.ts';
import { readCondition } from './read-condition.ts';
import { LANE_MODES, ROUTE_KEYS, USE_KEYS, type Route, type RouteUse } from './rules.ts';

const ROUTES_MAX = 1_000;
const NAME_CHARS_MAX = 64;
const SHOWN_MAX = 10;
const TOP_KEYS = ['routes', '$schema'];

/** `file`: how the file is called in messages. */
export function readRoutes(value: unknown, file: string): readonly Route[] {
  const complaints: string[] = [];
  const routes = readAll(value, (place, message) => complaints.push(place === '' ? message : `${place}: ${message}`));
  if (complaints.length === 0) return routes;
  const shownOnes = complaints.slice(0, SHOWN_MAX);
  const rest = complaints.length - shownOnes.length;
  const [only] = shownOnes;
  const message =
    complaints.length === 1 && only !== undefined
      ? `${file}: ${only}`
      : `${file} has ${complaints.length} mistakes:\n${shownOnes.map((one) => `  ${one}`).join('\n')}${rest > 0 ? `\n  and ${rest} more` : ''}`;
  throw new BatchrunError('E_CONFIG', message, {
    hint: 'Mend the rules and run the command again; --explain-routing ROW shows what they do with a row.',
    details: { file, mistakes: shownOnes, count: complaints.length },
  });
}

function readAll(value: unknown, complain: Complaint): readonly Route[] {
  if (!isObject(value)) {
    complain('', `it must hold an object with "routes", and holds ${kindOf(value)}`);
    return [];
  }
  refuseUnknown(value, { known: TOP_KEYS, place: '', complain });
  const { routes } = value;
  if (!Array.isArray(routes)) {
    complain('', `"routes" must be a list of rules, and is ${kindOf(routes)}`);
    return [];
  }
  if (routes.length === 0) complain('routes', 'there is no rule in it');
  if (routes.length > ROUTES_MAX) {
    complain('routes', `it has ${routes.length} rules; the most is ${ROUTES_MAX}`);
    return [];
  }
  const read = routes.map((route: unknown, at) => readRoute(route, at, complain));
  checkOrder(read, complain);
  return read.filter((route) => route !== null);
}

function readRoute(value: unknown, at: number, complainOf: Complaint): Route | null {
  const index = `routes[${at}]`;
  if (!isObject(value)) {
    complainOf(index, `a rule must be an object with name, when and use, and is ${kindOf(value)}`);
    return null;
  }
  const { name, when, use, override } = value;
  const named = typeof name === 'string' && name !== '' ? `rule "${name.slice(0, NAME_CHARS_MAX)}" (${index})` : index;
  const complain: Complaint = (place, message) => complainOf(place === '' ? named : `${named}, ${place}`, message);
  refuseUnknown(value, { known: ROUTE_KEYS, place: '', complain });
  if (typeof name !== 'string' || name.trim() === '') complain('name', `a rule needs a name: ${kindOf(name)} is none`);
  else if (name.length > NAME_CHARS_MAX || /[\n\r\t]/.test(name))
    complain('name', `it must be one line of at most ${NAME_CHARS_MAX} characters`);
  if (override !== undefined && typeof override !== 'boolean')
    complain('override', `it must be true or false, and is ${shown(override)}`);
  if (when === null) complain('when', 'it is empty; leave it out for a rule that takes every row');
  return {
    name: typeof name === 'string' ? name : '',
    when: when === undefined || when === null ? null : readCondition(when, 'when', complain),
    use: readUse(use, complain),
    override: override === true,
  };
}

function readUse(value: unknown, complain: Complaint): RouteUse {
  if (!isObject(value)) {
    complain('use', `it says what the rows get (${USE_KEYS.join(', ')}), and is ${kindOf(value)}`);
    return {};
  }
  refuseUnknown(value, { known: USE_KEYS, place: 'use', complain });
  const { model, max_tokens: maxTokens, priority, lane } = value;
  if (model !== undefined && (typeof model !== 'string' || model.trim() === ''))
    complain('use.model', `it must be the name of a model, and is ${shown(model)}`);
  const whole = typeof maxTokens === 'number' && Number.isSafeInteger(maxTokens) && maxTokens >= 1;
  if (maxTokens !== undefined && !whole)
    complain('use.max_tokens', `it must be a whole number from 1, and is ${shown(maxTokens)}`);
  const read = toPriority(priority);
  if (priority !== undefined && read === null)
    refuseOther(priority, { known: PRIORITIES, place: 'use.priority', complain });
  const mode = LANE_MODES.find((known) => known === lane);
  if (lane !== undefined && mode === undefined) refuseOther(lane, { known: LANE_MODES, place: 'use.lane', complain });
  return {
    ...(typeof model === 'string' ? { model: model.trim() } : {}),
    ...(whole ? { maxTokens } : {}),
    ...(read === null ? {} : { priority: read }),
    ...(mode === undefined ? {} : { lane: mode }),
  };
}

/** Two rules of one name could not be told apart, and what stands after a rule for every row is never looked at. */
function checkOrder(routes: readonly (Route | null)[], complain: Complaint): void {
  const names = new Set<string>();
  let forAll: string | undefined;
  routes.forEach((route, at) => {
    if (route === null) return;
    const place = `rule "${route.name}" (routes[${at}])`;
    if (route.name !== '' && names.has(route.name)) complain(place, 'another rule has this name');
    names.add(route.name);
    if (forAll !== undefined)
      complain(place, `it is never reached: the rule "${forAll}" before it has no "when" and takes every row`);
    else if (route.when === null) forAll = route.name;
  });
}
