/**
 * Secrets in what was typed: the address of a webhook is one, and that of a Redis has a password in it. What a message
 * repeats of a command line goes into logs and mails, so it has the host of an address only.
 */
import { maskAddress, maskAddresses } from '../../base/log.ts';

const SECRET_FLAGS: readonly string[] = ['--notify', '--limiter'];
/** As commander quotes the value of a flag that it refuses. */
const REFUSED_VALUE = /(option '(--[a-z-]+)[^']*' argument )'.*'(?= is invalid)/gs;

/** A message of commander without them. A flag may be mistyped as well, so any address is cut. */
export function withoutSecrets(message: string): string {
  return maskAddresses(
    message.replace(REFUSED_VALUE, (all, before: string, flag: string) =>
      SECRET_FLAGS.includes(flag) ? `${before}'****'` : all,
    ),
  );
}

/** The words of a command line without them. What was cut is refused when it is pasted, until it is written anew. */
export function withoutSecretWords(words: readonly string[]): readonly string[] {
  return words.map((word, at) => {
    const [, flag = words[at - 1] ?? '', value = word] = /^(--[a-z-]+)=(.*)$/s.exec(word) ?? [];
    const mask = SECRET_FLAGS.includes(flag) ? maskAddress : flag === '--notify-cmd' ? maskAddresses : null;
    if (mask === null) return word;
    return value === word ? mask(word) : `${flag}=${mask(value)}`;
  });
}
