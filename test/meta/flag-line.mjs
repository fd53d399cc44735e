/**
 * The line of the flags table that a flag should have.
 *
 * @param {string} flag
 * @param {Record<string, { flags: string, text: string, choices?: readonly string[], default?: unknown, defaultText?: string }>} specs
 * @param {Record<string, readonly string[]>} commandFlags
 */
export function flagLine(flag, specs, commandFlags) {
  const spec = specs[flag];
  if (spec === undefined) throw new Error(`there is no flag ${flag}`);
  const all = Object.keys(commandFlags);
  const commands = all.filter((command) => commandFlags[command]?.includes(flag));
  const choices = spec.choices ? ` (${spec.choices.join(', ')})` : '';
  const given = spec.defaultText ?? spec.default;
  const fallback = given === undefined ? '' : `; default ${String(given)}`;
  const where = commands.length === all.length ? 'all' : commands.join(', ');
  return `| \`${spec.flags}\` | ${spec.text.replaceAll('|', '\\|')}${choices}${fallback} | ${where} |`;
}
