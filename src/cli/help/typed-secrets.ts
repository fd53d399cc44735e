/**
 * Secrets in what was typed: the address of a webhook is one, and that of a Redis has a password in it. What a message
 * repeats of a command line goes into logs and mails, so it has the host of an address only.
 */
import { maskAddress } from '../../base/log.ts';

const SECRET_FLAGS: readonly string[] = ['--notify', '--limiter'];
/** As commander quotes the value of a flag that it refuses. */
const REFUSED_VALUE = /(option '(--[a-z-]+)[^']*' argument )'.*'(?= is invalid)/gs;
const ADDRESS = /\b[a-z][a-z0-9+.-]*:\/\/[^\s'"]+/gi;

/** A message of commander without them. A flag may be mistyped as well, so any address is cut. */
export function withoutSecrets(message: string): string {
  return message
    .replace(REFUSED_VALUE, (all, before: string, flag: string) =>
      SECRET_FLAGS.includes(flag) ? `${before}'****'` : all,
    )
    .replace(ADDRESS, maskAddress);
}

/** The words of a command line without them; everything else stays ready to be pasted. */
export function withoutSecretWords(words: readonly string[]): readonly string[] {
  return words.map((word, at) => {
    if (SECRET_FLAGS.includes(words[at - 1] ?? '')) return maskAddress(word);
    const [, flag = '', value = ''] = /^(--[a-z-]+)=(.*)$/s.exec(word) ?? [];
    return SECRET_FLAGS.includes(flag) ? `${flag}=${maskAddress(value)}` : word;
  });
}
