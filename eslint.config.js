/**
 * Lint: the rules that catch lost writes (a forgotten `await`) and the bans that keep the layers apart.
 *
 * The bans follow src/README.md: time, chance and the outside world are passed in, so that a simulated night is the
 * same night each time. test/meta/layers.test.ts checks who imports whom; here are the globals. Every ban says what to
 * use instead. Layout is prettier's affair: no rule here is about it.
 */
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const TIMERS = ['setTimeout', 'setInterval', 'setImmediate'];

/** Time and chance: only src/base and src/adapters may ask the machine for them. */
const TIME_AND_CHANCE = {
  globals: [
    ...TIMERS.map((name) => ({
      name,
      message: 'Wait with `clock.sleep(ms, signal)` of the Clock that was passed in.',
    })),
    { name: 'performance', message: 'Measure with `clock.monotonicMs()` of the Clock that was passed in.' },
  ],
  properties: [
    { object: 'Date', property: 'now', message: 'Ask `clock.now()` of the Clock that was passed in.' },
    { object: 'Math', property: 'random', message: 'Draw from the Rng that was passed in (src/base/random.ts).' },
    ...TIMERS.map((property) => ({
      object: 'globalThis',
      property,
      message: 'Wait with `clock.sleep(ms, signal)` of the Clock that was passed in.',
    })),
  ],
  syntax: [
    {
      selector: ':matches(NewExpression, CallExpression)[callee.name="Date"][arguments.length=0]',
      message: 'The time comes from the Clock that was passed in: `new Date(clock.now())`.',
    },
  ],
  imports: ['node:timers', 'node:timers/promises', 'node:perf_hooks'].map((name) => ({
    name,
    message: 'Time comes from the Clock that was passed in (src/base/clock.ts).',
  })),
};

/** The terminal, the environment and the end of the process: only src/cli may touch them. */
const PROCESS = {
  globals: [
    { name: 'console', message: 'Log through the Logger that was passed in; only src/cli writes to the terminal.' },
  ],
  properties: [
    { object: 'process', property: 'env', message: 'Settings come in as options; only src/cli reads the environment.' },
    ...['stdout', 'stderr', 'stdin'].map((property) => ({
      object: 'process',
      property,
      message: 'Take a stream or a sink as an argument; only src/cli knows the terminal.',
    })),
  ],
  imports: [
    { name: 'node:process', message: 'Take what you need as an option; only src/cli touches the process.' },
    { name: 'process', message: 'Take what you need as an option; only src/cli touches the process.' },
  ],
};

/** One exit: everything else throws, and src/cli/main.ts turns the error's code into the exit code. */
const EXIT = {
  properties: [
    ...['exit', 'exitCode', 'abort', 'kill', 'reallyExit'].map((property) => ({
      object: 'process',
      property,
      message: 'Throw a BatchrunError: src/cli/main.ts alone ends the process, with the exit code of the catalogue.',
    })),
  ],
};

/** Everywhere in src: what would undo a promise of the type checker or of the crash-only design. */
const ALWAYS = {
  syntax: [
    {
      selector: 'TSAsExpression > TSAsExpression > TSUnknownKeyword',
      message: 'Narrow the value with a check; where a cast is unavoidable, disable this line and say why.',
    },
    { selector: 'TSEnumDeclaration', message: 'Use an `as const` object or a union of strings: erasable syntax only.' },
  ],
};

/** In tests: nobody waits for time to pass. One turn of the event loop (setImmediate) is not a wait and is allowed. */
const SLEEPS = {
  globals: ['setTimeout', 'setInterval', 'Atomics'].map((name) => ({
    name,
    message: 'No sleeps in tests: await an event, or advance a VirtualClock (src/base/virtual-clock.ts).',
  })),
  properties: [
    { object: 'systemClock', property: 'sleep', message: 'No sleeps in tests: advance a VirtualClock instead.' },
    ...['setTimeout', 'setInterval'].map((property) => ({
      object: 'globalThis',
      property,
      message: 'No sleeps in tests: await an event, or advance a VirtualClock.',
    })),
  ],
  imports: ['node:timers', 'node:timers/promises'].map((name) => ({
    name,
    message: 'No sleeps in tests: await an event, or advance a VirtualClock (src/base/virtual-clock.ts).',
  })),
  syntax: [
    {
      selector: 'CallExpression[callee.property.name=/^(useFakeTimers|advanceTimersByTime)$/]',
      message: 'Pass a VirtualClock in: fake timers patch the globals under every library in the process.',
    },
    {
      selector: 'CallExpression[callee.object.name=/^(it|test|describe)$/][callee.property.name="only"]',
      message: 'Take `.only` out before you commit: it silences every other test of the file.',
    },
  ],
};

/** A rule that is restricted in several ways has to be given all of them at once: a later entry replaces an earlier one. */
function bans(...sets) {
  const all = (kind) => sets.flatMap((set) => set[kind] ?? []);
  const rule = (options) => (options.length === 0 ? 'off' : ['error', ...options]);
  const paths = all('imports');
  return {
    'no-restricted-globals': rule(all('globals')),
    'no-restricted-properties': rule(all('properties')),
    'no-restricted-syntax': rule(all('syntax')),
    'no-restricted-imports': paths.length === 0 ? 'off' : ['error', { paths }],
  };
}

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'fixtures/', '.batchrun/', '.demo/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  // TypeScript: the strict typed set, with the exceptions below.
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A forgotten await loses a write: these are why lint is typed at all. `void promise` says that it is meant.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/require-await': 'error',

      // A number in a message is fine; an object or undefined in one is a mistake.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => void start()` and `return undefined` shorthands are how this code ignores a value on purpose.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true, ignoreVoidReturningFunctions: true },
      ],
      // A leading underscore says: the shape needs this name, the body does not.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // `body['max_tokens']` is how we read what others wrote: the brackets say that nothing vouches for the field.
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      // What was caught goes on as it is (`throw error` of a caught unknown).
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowRethrowing: true }],

      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-self-compare': 'error',
      'no-unmodified-loop-condition': 'error',
      'no-template-curly-in-string': 'error',
      'object-shorthand': 'error',
    },
  },

  // The layers.
  { files: ['src/**/*.ts'], rules: bans(ALWAYS, TIME_AND_CHANCE, PROCESS, EXIT) },
  { files: ['src/base/**/*.ts', 'src/adapters/**/*.ts'], rules: bans(ALWAYS, PROCESS, EXIT) },
  { files: ['src/cli/**/*.ts'], rules: bans(ALWAYS, TIME_AND_CHANCE, EXIT) },
  { files: ['src/cli/main.ts'], rules: bans(ALWAYS, TIME_AND_CHANCE) },

  // The tests.
  {
    files: ['test/**/*.ts'],
    rules: {
      ...bans(SLEEPS),
      // A stand-in for an asynchronous port is often a plain value.
      '@typescript-eslint/require-await': 'off',
      // Matchers (`expect.any(String)`) and JSON.parse are typed `any`; what they hold is what the test asserts.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      // Helpers hand out bound closures as objects; a lost `this` fails the test at once.
      '@typescript-eslint/unbound-method': 'off',
      // Stand-ins that do nothing on purpose.
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      'no-template-curly-in-string': 'off',
    },
  },
  {
    // The kill loop waits a random time before each SIGKILL, and that is the point of it. Helpers in test/support may
    // wait for another process, which gives no event to await.
    files: ['test/crash/**/*.ts', 'test/support/**/*.ts'],
    rules: bans({ syntax: SLEEPS.syntax }),
  },

  // Configuration in JavaScript: no types to check.
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
