/**
 * Which models share their limits (facts 3.2, rate-limits page of autumn 2026). A model that is not known here has a class
 * of its own, by its name: what it shares is learnt from the Admin API, or not at all, and then less is taken than may be.
 */

/** The Admin API's names are opaque; these are ours: `opus_5.5`, `sonnet_4`, `haiku_4.5`, `fable_5`. */
export function rateClassOf(model: string): string {
  const name = model.replace(/-(?:20\d{6}|latest)$/, '');
  const [, line = '', major = '', minor = '0'] = /^claude-([a-z]+)-(\d)(?:-(\d))?$/.exec(name) ?? [];
  return CLASSES[line]?.[`${major}.${minor}`] ?? CLASSES[line]?.[`${major}.x`] ?? name;
}

/** The line of models that a class is of; null for classes that are only a name. */
export function lineOfClass(rateClass: string): string | null {
  const [, line = ''] = /^([a-z]+)_\d(?:\.\d)?$/.exec(rateClass) ?? [];
  return Object.hasOwn(CLASSES, line) ? line : null;
}

/** By line and version; `x`: all versions of it that are not named. */
const CLASSES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  opus: { '5.5': 'opus_5.5', '5.0': 'opus_5', '4.x': 'opus_4' },
  sonnet: { '5.5': 'sonnet_5.5', '5.0': 'sonnet_5', '4.x': 'sonnet_4' },
  haiku: { '5.5': 'haiku_5.5', '4.5': 'haiku_4.5' },
  fable: { '5.x': 'fable_5' },
  mythos: { '5.x': 'mythos_5' },
};
