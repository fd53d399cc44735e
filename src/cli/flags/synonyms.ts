/**
 * What people type who come from other tools, and which command does it here.
 */
export const SYNONYMS: Readonly<Record<string, string>> = {
  ...same('submit', ['start', 'create', 'send', 'upload', 'push', 'add', 'new', 'queue']),
  ...same('submit --dry-run', ['dry-run', 'dryrun', 'preview']),
  ...same('run', ['exec', 'execute', 'go', 'process']),
  ...same('collect', ['resume', 'continue', 'wait', 'poll', 'drive', 'work', 'worker', 'sync']),
  ...same('collect', ['download', 'fetch', 'get', 'pull']),
  ...same('status', ['show', 'info', 'describe', 'inspect', 'ps', 'state', 'progress']),
  ...same('status --watch', ['watch', 'monitor', 'top', 'follow', 'tail']),
  ...same('list', ['ls', 'runs', 'jobs', 'batches']),
  ...same('results', ['output', 'outputs', 'result', 'cat', 'view', 'failures', 'errors']),
  ...same('log', ['logs', 'events', 'history']),
  ...same('cancel', ['stop', 'kill', 'abort', 'halt', 'terminate']),
  ...same('retry', ['rerun', 'redo', 'again', 'restart', 'requeue']),
  ...same('prune', ['rm', 'del', 'delete', 'remove', 'clean', 'cleanup', 'clear', 'gc', 'purge']),
  ...same('plan', ['cost', 'costs', 'estimate', 'price', 'prices', 'pricing', 'budget', 'quote']),
  ...same('check', ['validate', 'lint', 'verify', 'test']),
  ...same('sample', ['head', 'peek']),
  ...same('rehearse', ['simulate', 'rehearsal']),
  ...same('sim', ['mock', 'simulator', 'emulator', 'fake']),
  ...same('loadtest', ['load', 'load-test', 'bench', 'benchmark', 'stress', 'locust']),
  ...same('stats', ['summary', 'summarize', 'analyze', 'count', 'usage']),
  ...same('diff', ['compare', 'cmp']),
  ...same('limits', ['quota', 'quotas', 'ratelimit', 'rate-limits', 'limit']),
  ...same('serve', ['web', 'ui', 'dashboard', 'open', 'server', 'gui']),
  ...same('report run', ['html']),
  ...same('adopt', ['import', 'attach', 'track']),
  ...same('init', ['setup', 'configure']),
  ...same('config', ['settings', 'configuration', 'env']),
  ...same('doctor', ['health', 'diagnose', 'ping', 'debug', 'login', 'auth']),
  ...same('completions', ['completion', 'autocomplete']),
  ...same('help', ['commands', 'manual']),
  ...same('--version', ['version']),
};

function same(command: string, words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => [word, command]));
}
