/**
 * The rules of `--routes`, from their file.
 */
import { readRoutes } from '../../domain/routing/read-rules.ts';
import type { Route } from '../../domain/routing/rules.ts';
import { readDataValue } from './data-file.ts';
import type { Flags } from '../flags/options.ts';

export function readRules({ routes: file }: Pick<Flags, 'routes'>): readonly Route[] | undefined {
  return file === undefined ? undefined : readRoutes(readDataValue(file, { what: 'the rules of --routes' }), file);
}
