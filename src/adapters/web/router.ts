/**
 * Finds the route of a path. Paths are few: they are tried in their order.
 */
import type { WebRoute } from '../../domain/web.ts';

export interface Found {
  readonly route: WebRoute;
  readonly path: Readonly<Record<string, string>>;
}

/** `wrong method` with those that are right where the path exists under others. */
export type Search = Found | { readonly allow: readonly string[] } | null;

export function createRouter(routes: readonly WebRoute[]): (method: string, path: string) => Search {
  const compiled = routes.map((route) => ({ route, parts: route.path.split('/') }));
  return (method, path) => {
    const parts = path.split('/');
    const matching = compiled.flatMap(({ route, parts: wanted }) => {
      const names = match(wanted, parts);
      return names ? [{ route, path: names }] : [];
    });
    const found = matching.find(
      ({ route }) => route.method === method || (route.method === 'GET' && method === 'HEAD' && route.isOnce !== true),
    );
    if (found) return found;
    return matching.length === 0 ? null : { allow: matching.map(({ route }) => route.method) };
  };
}

function match(wanted: readonly string[], parts: readonly string[]): Record<string, string> | null {
  if (wanted.length !== parts.length) return null;
  const names: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const given = parts[at] ?? '';
    if (!part.startsWith(':')) {
      if (part !== given) return null;
      continue;
    }
    const value = decoded(given);
    if (value === null || value === '') return null;
    names[part.slice(1)] = value;
  }
  return names;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
