/**
 * HTML as text in which nothing unescaped can appear by accident: values put into a template are escaped, unless
 * they are markup made by the same template.
 */

export type Markup = { readonly markup: string };
type Content = Markup | string | number | readonly Markup[];

export const html = (parts: TemplateStringsArray, ...values: readonly Content[]): Markup => ({
  markup: parts.reduce((text, part, index) => text + contentText(values[index - 1] ?? '') + part),
});

const contentText = (content: Content): string => {
  if (typeof content === 'string') return escapeText(content);
  if (typeof content === 'number') return String(content);
  return 'markup' in content ? content.markup : content.map(({ markup }) => markup).join('');
};

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export const escapeText = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => escapes[sign] ?? sign);

/** Text that is ours and needs no escaping: the style sheet. */
export const trusted = (markup: string): Markup => ({ markup });
