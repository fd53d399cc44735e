/**
 * The files in .github/docs/examples and the code in the pages beside them: true to the program and to those who read
 * them (systemd, Prometheus, Datadog, GitHub, node).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { METRICS, type MetricName } from '../../src/domain/metrics.ts';
import { COMMAND_FLAGS, FLAG_SPECS, type FlagName } from '../../src/cli/flags/option-table.ts';
import { NOTICE_EVENTS } from '../../src/domain/notice-events.ts';
import { signatureOf } from '../../src/adapters/notify/webhook.ts';
import { tempFolder } from '../support/temp.ts';
import { ROOT } from './sources.ts';

const DOCS = join(ROOT, '.github/docs');
const text = (name: string): string => readFileSync(join(DOCS, name), 'utf8');
const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** What is wrong with the `batchrun …` commands in a text: an unknown command, or a flag that it does not take. */
function wrongCommands(given: string): string[] {
  return [...given.matchAll(/(?:^|[\s`(])batchrun ([a-z]+)((?: [^`\n|;&]*)?)/gm)].flatMap(
    ([all, command = '', rest = '']) => {
      const flags = COMMAND_FLAGS[command];
      const used = [...rest.matchAll(/(?<!\S)(--[a-z-]+)/g)].map((match) => match[1]);
      if (!flags) return used.length > 0 ? [all.trim()] : [];
      const known = flags.map((flag: FlagName) => /--[a-z-]+/.exec(FLAG_SPECS[flag].flags)?.[0]);
      return used.filter((flag) => !known.includes(flag)).map((flag) => `${command} ${flag ?? ''}`);
    },
  );
}

/** The blocks of code of a page in one language. */
function blocks(page: string, language: string): string[] {
  return [...text(page).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    (match) => match[1] ?? '',
  );
}

describe('the commands', () => {
  it.each(['operations.md', 'notify.md', 'examples/batchrun.service', 'examples/nightly.yml', 'examples/alerts.yml'])(
    'of %s exist, with their flags',
    (name) => {
      expect(text(name)).toMatch(/batchrun (run|collect|submit|status)/);
      expect(wrongCommands(text(name))).toEqual([]);
    },
  );

  it('the check fires', () => {
    expect(wrongCommands('run `batchrun collect --once --bogus` and\nnpx batchrun colect --once || x')).toEqual([
      'collect --bogus',
      'batchrun colect --once',
    ]);
  });
});

describe('the unit files of systemd', () => {
  it.skipIf(!has('systemd-analyze'))('are taken by systemd without a word', () => {
    for (const name of ['batchrun.service', 'batchrun.timer']) {
      const { status, stdout, stderr } = spawnSync('systemd-analyze', [
        'verify',
        '--man=no',
        join(DOCS, 'examples', name),
      ]);
      expect([name, status, String(stdout), String(stderr)]).toEqual([name, 0, '', '']);
    }
  });

  it('have sections with settings, and start a run that keeps its exit codes', () => {
    const service = text('examples/batchrun.service');
    for (const line of service.split('\n'))
      expect(line).toMatch(/^(#.*|\[(Unit|Service|Install)\]|[A-Z][A-Za-z]+=.*|)$/);
    // What is not finished, and what somebody stopped, goes on with the next start: no failure of the unit.
    expect(service).toMatch(/^SuccessExitStatus=4 143$/m);
    expect(text('examples/batchrun.timer')).toMatch(/^\[Timer\]\n(.*\n)*OnCalendar=/m);
  });
});

/** Names of metrics in an expression of Prometheus, with the labels that are asked of them. */
function metricsIn(expression: string): { readonly name: string; readonly labels: readonly string[] }[] {
  return [...expression.matchAll(/\b(batchrun_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', selector = '']) => {
    return { name, labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map((match) => match[1] ?? '') };
  });
}

describe('the alert rules', () => {
  interface Rule {
    readonly alert: string;
    readonly expr: string;
    readonly annotations: Readonly<Record<string, string>>;
  }
  const { groups } = parse(text('examples/alerts.yml')) as { groups: { name: string; rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);

  it('speak of metrics that exist, by labels that they have', () => {
    const used = rules.flatMap(({ expr }) => metricsIn(expr));
    expect(used.length).toBeGreaterThan(8);
    for (const { name, labels } of used) {
      expect(Object.keys(METRICS)).toContain(name);
      for (const label of labels) expect(METRICS[name as MetricName].labels).toContain(label);
    }
    for (const { expr, alert } of rules) {
      const of = metricsIn(expr).flatMap(({ name }) => METRICS[name as MetricName].labels as readonly string[]);
      const by = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap((match) => (match[1] ?? '').split(/, */));
      for (const label of by) expect([alert, [...of, 'instance']]).toEqual([alert, expect.arrayContaining([label])]);
    }
  });

  it('name labels in their words that the expression leaves', () => {
    for (const { alert, expr, annotations } of rules) {
      const kept = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(/, */) ?? ['instance', 'job'];
      for (const [, label] of Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g)) {
        expect([alert, kept]).toEqual([alert, expect.arrayContaining([label])]);
      }
    }
  });

  it('are about everything that a notice is about', () => {
    expect(rules.map(({ alert }) => alert)).toEqual(
      expect.arrayContaining(
        ['Blocked', 'NoSuccess', 'RateLimited', 'Budget', 'DeadlineAtRisk', 'ResultsVanish', 'ApiDown', 'Down'].map(
          (name) => `Batchrun${name}`,
        ),
      ),
    );
  });

  it.skipIf(!has('promtool'))('are taken by promtool', () => {
    execFileSync('promtool', ['check', 'rules', join(DOCS, 'examples/alerts.yml')]);
  });
});

it('Datadog is told of every metric under the name that the Agent gives it', () => {
  const { instances } = parse(text('examples/openmetrics.yaml')) as {
    instances: { openmetrics_endpoint: string; namespace: string; metrics: Record<string, string>[] }[];
  };
  const [instance] = instances;
  // The Agent takes `_total` off counters, and off nothing else.
  const expected = Object.entries(METRICS).map(([name, { kind }]) => {
    return kind === 'counter' ? name.replace(/_total$/, '') : name;
  });
  expect(instance?.metrics.flatMap((one) => Object.keys(one)).sort()).toEqual(expected.sort());
  const names = instance?.metrics.flatMap((one) => Object.values(one)) ?? [];
  expect(new Set(names).size).toBe(expected.length);
  expect(instance?.openmetrics_endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
});

it('the workflow keeps the state whatever happens, drives once at a time, and warns of what the state holds', () => {
  interface Step {
    readonly uses?: string;
    readonly if?: string;
    readonly with?: Readonly<Record<string, unknown>>;
  }
  const workflow = parse(text('examples/nightly.yml')) as {
    on: { schedule: { cron: string }[] };
    concurrency: Record<string, unknown>;
    jobs: { run: { steps: Step[]; 'timeout-minutes': number } };
  };
  expect(workflow.concurrency).toEqual({ group: 'batchrun', 'cancel-in-progress': false });
  // Of the jobs that wait GitHub keeps one: a collect must be over when the night's begins, or it takes its place.
  const [night, collects] = workflow.on.schedule.map(({ cron }) => cron);
  expect(night).toMatch(/^0 1 /);
  expect(collects).toBe('30 4-22/3 * * *');
  expect(text('examples/nightly.yml')).toContain(`github.event.schedule }}" = '${collects ?? ''}'`);
  expect(text('examples/nightly.yml')).toContain('collect --max-wait 2h');
  // One that is not finished holds its file; and the folder is not in a fresh checkout.
  expect(text('examples/nightly.yml')).toMatch(/mkdir -p results[\s\S]*--output 'results\/nightly-\{date\}\.jsonl'/);
  const { steps } = workflow.jobs.run;
  const saving = steps.find(({ uses }) => uses?.startsWith('actions/cache/save') === true);
  const restoring = steps.find(({ uses }) => uses?.startsWith('actions/cache/restore') === true);
  expect(saving).toMatchObject({ if: 'always()', with: { path: '.batchrun', key: restoring?.with?.['key'] } });
  // A cache is written once: with one key for all, the second night would keep the state of the first.
  expect(saving?.with?.['key']).toContain('github.run_id');
  expect(text('examples/nightly.yml')).toMatch(/HOLDS PROMPTS AND ANSWERS/);
  // It must end before GitHub ends it, so that the state is kept.
  expect(workflow.jobs.run['timeout-minutes']).toBeLessThan(360);
});

describe('the page about notices', () => {
  const body = '{"event":"done","text":"ü"}';
  const secret = 'a shared secret';
  const nowMs = 1_790_000_000_000;
  const header = signatureOf(secret, body, nowMs);
  const cases = [
    { header, body, secret, nowMs, good: true },
    { header, body: `${body} `, secret, nowMs, good: false },
    { header, body, secret: 'another', nowMs, good: false },
    { header, body, secret, nowMs: nowMs + 301_000, good: false },
    { header: header.replace('v1=', 'v1=0'), body, secret, nowMs, good: false },
    { header: '', body, secret, nowMs, good: false },
  ];

  it('names every event', () => {
    const rows = [...text('notify.md').matchAll(/^\| `(\w+)` /gm)].map((match) => match[1]);
    expect(rows.slice().sort()).toEqual([...NOTICE_EVENTS].sort());
  });

  it('checks signatures in Node as it says', async () => {
    const [code = ''] = blocks('notify.md', 'js');
    const file = join(tempFolder(), 'verify.mjs');
    writeFileSync(file, code);
    const { isFromBatchrun } = (await import(pathToFileURL(file).href)) as {
      isFromBatchrun: (header: string, body: string, secret: string, nowMs: number) => boolean;
    };
    for (const one of cases) expect(isFromBatchrun(one.header, one.body, one.secret, one.nowMs)).toBe(one.good);
  });

  it.skipIf(!has('python3'))('checks signatures in Python as it says', () => {
    const [code = ''] = blocks('notify.md', 'python');
    const asked = cases.map((one) => [one.header, one.body, one.secret, one.nowMs / 1_000]);
    const calls = `\nimport json, sys\nprint(json.dumps([is_from_batchrun(h, b.encode(), s, n) for h, b, s, n in json.load(sys.stdin)]))\n`;
    const out = execFileSync('python3', ['-c', code + calls], { input: JSON.stringify(asked) });
    expect(JSON.parse(String(out))).toEqual(cases.map(({ good }) => good));
  });

  it('is about the signature that a request bears', () => {
    const [, seconds = '', hex] = /^t=(\d+),v1=(\w+)$/.exec(header) ?? [];
    expect(hex).toBe(createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'));
  });
});
