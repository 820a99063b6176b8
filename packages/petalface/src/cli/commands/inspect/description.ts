/** What was found: plain JSON with a `kind`, and the same for people. */
export interface Description {
  readonly document: { readonly kind: string } & Readonly<Record<string, unknown>>;
  readonly text: string;
}
