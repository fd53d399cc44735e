export interface LicensedPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string | undefined;
  readonly author: string | null;
  readonly texts: readonly string[];
}
export function licensed(): readonly LicensedPackage[];
export function licencesText(packages: readonly LicensedPackage[]): string;
