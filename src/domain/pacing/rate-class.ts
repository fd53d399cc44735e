/** Stand-in. */
export function rateClassOf(model: string): string {
  return model;
}
