/**
 * `batchrun config [command]`: the value of every flag, and where it comes from: a flag that is typed behind it, an
 * environment variable, a profile, the file, or the default. Keys are shown masked. Nothing is sent or written.
 */
import { Command } from 'commander';
import { maskAddress, maskKey, redact } from '../base/log.ts';
import { BatchrunError } from '../base/errors.ts';
import { closest } from '../domain/row/closest.ts';
import { configSchema } from './files/config-schema.ts';
import type { Context } from './context.ts';
import { NOTIFY_SECRET } from './drive/notify.ts';
import { COMMAND_FLAGS, FLAG_SPECS, type FlagName, type FlagSpec } from './flags/option-table.ts';
import { addAllFlags, addFlags, envName, FLAG_NAMES } from './flags/options.ts';
import { EXIT } from './drive/outcome.ts';
import { TOKEN_VARIABLE } from './serve/page-token.ts';
import { configText, type ConfigValue, type ConfigView } from './render/config-text.ts';
import { fileName } from './flags/setting-values.ts';
import { applySettings, variableOf, type Settings } from './flags/settings.ts';
import { addSimFlags } from './flags/sim-flags.ts';
import { jsonText } from './terminal/ui.ts';

export async function runConfig(context: Context, name: string | undefined, argv: readonly string[]): Promise<number> {
  const { flags, terminal } = context;
  if (flags.jsonSchema === true) {
    await terminal.data(`${JSON.stringify(configSchema(), null, 2)}\n`);
    return EXIT.ok;
  }
  if (name !== undefined && !Object.hasOwn(COMMAND_FLAGS, name)) throw unknownCommand(name);
  const view = viewConfig(name, { argv, env: process.env, cwd: process.cwd() });
  if (flags.json === true) await terminal.data(jsonText(view));
  else await terminal.text(`${configText(view, { color: terminal.dataColor })}\n`);
  return EXIT.ok;
}

function unknownCommand(name: string): BatchrunError {
  const meant = closest(name, Object.keys(COMMAND_FLAGS));
  return new BatchrunError('E_USAGE', `there is no command "${name}"`, {
    hint: meant === undefined ? '`batchrun --help` lists the commands.' : `Did you mean: batchrun config ${meant}`,
  });
}

export interface ConfigPlace {
  /** What was typed after `batchrun`: `config`, the command, and flags of it. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

export function viewConfig(name: string | undefined, { argv, env, cwd }: ConfigPlace): ConfigView {
  const typed = new Map<string, string>();
  const target = targetCommand(name, typed);
  target.parse(wordsAfter(argv, name), { from: 'user' });
  const settings = applySettings(target, { env, cwd });
  const flags = name === undefined ? FLAG_NAMES : (COMMAND_FLAGS[name] ?? []);
  return {
    command: name ?? null,
    file: settings.file?.path ?? null,
    profile: settings.profile,
    values: flags.map((flag) => valueOf(flag, { target, typed, settings })),
    environment: otherVariables(target, env),
    unknown_variables: unknownVariables(env),
  };
}

/** The command in question, so that what is typed behind it is read as it would be; its text is kept. */
function targetCommand(name: string | undefined, typed: Map<string, string>): Command {
  const target = new Command(name ?? '').exitOverride().argument('[words...]').helpOption(false);
  if (name === undefined) addAllFlags(target);
  else addFlags(target, name);
  if (!target.options.some((option) => option.long === '--json')) target.option('--json');
  for (const option of target.options) {
    if (option.isBoolean()) continue;
    const read = option.parseArg as ((text: string, previous: unknown) => unknown) | undefined;
    option.argParser((text: string, previous: unknown) => {
      typed.set(option.attributeName(), text);
      return read ? read(text, previous) : text;
    });
  }
  return target;
}

/** Without `config` itself and the name of the command. */
function wordsAfter(argv: readonly string[], name: string | undefined): string[] {
  const words = [...argv];
  for (const word of ['config', name]) {
    const at = word === undefined ? -1 : words.indexOf(word);
    if (at >= 0) words.splice(at, 1);
  }
  return words;
}

function valueOf(
  flag: FlagName,
  {
    target,
    typed,
    settings,
  }: { readonly target: Command; readonly typed: ReadonlyMap<string, string>; readonly settings: Settings },
): ConfigValue {
  const spec: FlagSpec = FLAG_SPECS[flag];
  const shown = (value: unknown): ConfigValue['value'] =>
    flag === 'notify' && typeof value === 'string' ? maskAddress(value) : shownValue(value);
  const name = fileName(flag);
  if (target.getOptionValueSource(flag) === 'cli') {
    return { flag: name, value: shown(typed.get(flag) ?? target.opts()[flag]), source: 'flag' };
  }
  const source = settings.sources.get(flag);
  if (source) {
    const { origin } = source;
    const value = shown(source.typed);
    if (origin.kind === 'environment') return { flag: name, value, source: 'environment', variable: origin.name };
    const { kind, ...place } = origin;
    return { flag: name, value, source: kind, ...place } as ConfigValue;
  }
  // A `--no-…` is a switch that is on by itself.
  const fallback = spec.defaultText ?? spec.default ?? (spec.flags.startsWith('--no-') ? true : undefined);
  if (fallback === undefined) return { flag: name, value: null, source: 'unset' };
  return { flag: name, value: shown(fallback), source: 'default' };
}

function shownValue(value: unknown): ConfigValue['value'] {
  if (typeof value === 'boolean' || typeof value === 'number') return value;
  return withoutPassword(redact(String(value)));
}

function withoutPassword(text: string): string {
  return text.replace(/^([a-z]+:\/\/[^/@:]*):[^/@]+@/i, '$1:****@');
}

const KEY_VARIABLES = ['ANTHROPIC_API_KEY', 'ANTHROPIC_API_KEYS', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_ADMIN_KEY'];
const PLAIN_VARIABLES = ['ANTHROPIC_BASE_URL', 'NO_COLOR'];

function otherVariables(target: Command, env: NodeJS.ProcessEnv): ConfigView['environment'] {
  const pool = (target.opts()['apiKeysEnv'] as readonly string[] | undefined) ?? [];
  const keys = [...new Set([...KEY_VARIABLES, ...pool])].map((name) => ({ name, show: maskedKeys }));
  const plain = PLAIN_VARIABLES.map((name) => ({ name, show: (text: string) => withoutPassword(redact(text)) }));
  return [...keys, ...plain].flatMap(({ name, show }) => {
    const text = env[name];
    return text === undefined || text === '' ? [] : [{ name, value: show(text) }];
  });
}

function maskedKeys(text: string): string {
  return text
    .split(/[\s,]+/)
    .filter((key) => key !== '')
    .map(maskKey)
    .join(', ');
}

/** Read by batchrun and no flags. */
const OTHER_OWN = ['BATCHRUN_FAILPOINT', NOTIFY_SECRET, TOKEN_VARIABLE];

function unknownVariables(env: NodeJS.ProcessEnv): ConfigView['unknown_variables'] {
  const sim = new Command();
  addSimFlags(sim);
  const known = new Set([...FLAG_NAMES.map(envName), ...sim.options.map(variableOf), ...OTHER_OWN]);
  // `--no-color` is asked for as BATCHRUN_COLOR.
  for (const flag of FLAG_NAMES) known.add(`BATCHRUN_${fileName(flag).replaceAll('-', '_').toUpperCase()}`);
  return Object.keys(env)
    .filter((name) => name.startsWith('BATCHRUN_') && !known.has(name))
    .sort()
    .map((name) => ({ name, meant: closest(name, [...known]) ?? null }));
}
