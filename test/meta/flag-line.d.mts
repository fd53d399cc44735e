export function flagLine(
  flag: string,
  specs: Readonly<
    Record<
      string,
      {
        readonly flags: string;
        readonly text: string;
        readonly choices?: readonly string[];
        readonly default?: unknown;
        readonly defaultText?: string;
      }
    >
  >,
  commandFlags: Readonly<Record<string, readonly string[]>>,
): string;
