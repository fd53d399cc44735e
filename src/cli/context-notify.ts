/**
 * The ways out of notices, put together. A part of the composition root, loaded only where a notice may have to be sent.
 */
import { systemClock } from '../base/clock.ts';
import { systemRng } from '../base/random.ts';
import type { Logger } from '../base/log.ts';
import { createNoticeCommand } from '../adapters/notify/command.ts';
import { createWebhook } from '../adapters/notify/webhook.ts';
import type { NoticeChannel } from '../tools/notify/outbox.ts';

export interface ChannelsAsked {
  readonly url: string | undefined;
  readonly command: string | undefined;
  /** Of the environment. */
  readonly secret: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Variables that a command must not see. */
  readonly hidden: readonly string[];
  readonly log: Logger;
}

export function noticeChannels({ url, command, secret, env, hidden, log }: ChannelsAsked): NoticeChannel[] {
  const parts = { clock: systemClock, rng: systemRng };
  return [
    ...(url === undefined
      ? []
      : [
          createWebhook({
            ...parts,
            url,
            secret: secret === undefined || secret === '' ? null : secret,
            userAgent: 'batchrun',
          }),
        ]),
    ...(command === undefined ? [] : [createNoticeCommand({ ...parts, command, env, hidden, log })]),
  ];
}
