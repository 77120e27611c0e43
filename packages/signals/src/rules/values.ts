/** What an expression in a template can be: Go's values, as far as templates of alerts meet them. */

/** One series of the answer to `query`. */
export type TemplateSample = {
  readonly kind: 'sample';
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
};

export type TemplateValue =
  | string
  | number
  | boolean
  /** What is not there. */
  | undefined
  | { readonly kind: 'labels'; readonly labels: ReadonlyMap<string, string> }
  | { readonly kind: 'list'; readonly items: readonly TemplateSample[] }
  /** The dot outside of `with` and `range`. */
  | { readonly kind: 'fields'; readonly fields: ReadonlyMap<string, TemplateValue> }
  | TemplateSample;
