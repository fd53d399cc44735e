/** What notices are about: the words of `--notify-on`, apart from their room, because every command reads its flags. */
export const NOTICE_EVENTS = [
  'done',
  'blocked',
  'failed',
  'rate_limited',
  'budget',
  'deadline',
  'results_vanish',
  'api_down',
  'api_up',
] as const;
export type NoticeEvent = (typeof NOTICE_EVENTS)[number];
