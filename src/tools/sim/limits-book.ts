/**
 * Whose limits are what: those of the world, those of single organizations, and what workspaces were set to. All of it
 * but the workspaces may change while the world runs.
 */
import type { MessageLimits, SimModel } from './catalogue.ts';
import { withPart, type SimKey, type SimLimits, type SimLimitsPart, type WorkspaceLimits } from './options.ts';

export interface LimitsBook {
  /** Of every organization that has none of its own; sizes of bodies are the same for all. */
  base(): SimLimits;
  of(organization: string): SimLimits;
  /** Set for this workspace and class of models; empty where nothing is set. */
  ofWorkspace(workspace: string, rateClass: string): Partial<MessageLimits>;
  /** Without an organization for all; what an organization was given of its own stays stronger. */
  set(part: SimLimitsPart, organization?: string): void;
}

export function createLimitsBook(
  limits: SimLimits,
  keys: Readonly<Record<string, SimKey>>,
  workspaces: WorkspaceLimits,
  defaultOrganization: string,
): LimitsBook {
  let base = limits;
  const own = new Map<string, SimLimitsPart>();
  const add = (organization: string, part: SimLimitsPart): void =>
    void own.set(organization, merged(own.get(organization) ?? {}, part));
  for (const { organization = defaultOrganization, limits: part } of Object.values(keys)) {
    if (part !== undefined) add(organization, part);
  }
  return {
    base: () => base,
    of: (organization) => withPart(base, own.get(organization) ?? {}),
    ofWorkspace: (workspace, rateClass) => workspaces[workspace]?.[rateClass] ?? {},
    set(part, organization) {
      if (organization === undefined) base = withPart(base, part);
      else add(organization, part);
    },
  };
}

/** Fable and Mythos have limits of their own, and any class may be given some. */
export function messageLimits(limits: SimLimits, model: Pick<SimModel, 'line' | 'rateClass'>): MessageLimits {
  const ofLine = model.line === 'fable' || model.line === 'mythos' ? limits.messagesFable : limits.messages;
  const ofClass = limits.byClass?.[model.rateClass];
  return ofClass === undefined ? ofLine : { ...ofLine, ...ofClass };
}

function merged(one: SimLimitsPart, other: SimLimitsPart): SimLimitsPart {
  return {
    ...one,
    ...other,
    messages: { ...one.messages, ...other.messages },
    messagesFable: { ...one.messagesFable, ...other.messagesFable },
  };
}
