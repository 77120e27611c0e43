/** The pages of identity as they lie beside the code. They hold no value of anybody, so they are read once. */
import { readFileSync } from 'node:fs';

export type PageFiles = { readonly html: string; readonly css: string; readonly js: string };

export const readPage = (): PageFiles => {
  const read = (name: string): string => readFileSync(new URL(`../page/${name}`, import.meta.url), 'utf8');
  return { html: read('page.html'), css: read('page.css'), js: read('page.js') };
};
