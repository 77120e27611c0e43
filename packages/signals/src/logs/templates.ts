/**
 * Lines to templates: what stays of lines that differ in a few words. A tree of fixed depth, as Drain has it (He et al., *Drain: an online log parsing
 * approach with fixed depth tree*, ICWS 2017): lines of one number of words and the same beginning share a leaf, and within a leaf a line joins
 * the template it is most like. The same lines in the same order give the same templates. Bounded: a log that never repeats itself ends in
 * templates that say nothing, and costs no more memory. Pure.
 */
import { masked } from './mask.ts';

export type TemplateLimits = {
  readonly templates: number;
  readonly perLeaf: number;
  readonly words: number;
};

export const usualTemplateLimits: TemplateLimits = { templates: 2_000, perLeaf: 50, words: 60 };

/** So much of a line must be the same word at the same place. */
const leastAlike = 0.6;
/** Words at the beginning that choose the leaf. */
const leadingWords = 2;

type Template = { words: string[] };

export class Templates {
  readonly #limits: TemplateLimits;
  readonly #leaves = new Map<string, Template[]>();
  #count = 0;

  constructor(limits: TemplateLimits = usualTemplateLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#count;
  }

  /** The template of a masked line, which may have become more general by it. */
  templateOf(line: string): string {
    const all = line.split(' ');
    const words = all.length > this.#limits.words ? [...all.slice(0, this.#limits.words), masked] : all;
    const leaf = this.#leafOf(words);
    const [best, alike] = mostAlike(leaf, words);
    if (best !== undefined && alike >= leastAlike) {
      generalise(best, words);
      return best.words.join(' ');
    }
    if (leaf.length >= this.#limits.perLeaf || this.#count >= this.#limits.templates) {
      // No room: it joins what it is most like, or nothing at all.
      if (best === undefined) return masked;
      generalise(best, words);
      return best.words.join(' ');
    }
    leaf.push({ words });
    this.#count += 1;
    return words.join(' ');
  }

  #leafOf(words: readonly string[]): Template[] {
    const key = `${words.length} ${words.slice(0, leadingWords).join(' ')}`;
    const known = this.#leaves.get(key);
    if (known !== undefined) return known;
    const leaf: Template[] = [];
    // A leaf without room for a template is not kept.
    if (this.#count < this.#limits.templates) this.#leaves.set(key, leaf);
    return leaf;
  }
}

const mostAlike = (leaf: readonly Template[], words: readonly string[]): readonly [Template | undefined, number] => {
  let best: Template | undefined;
  let most = -1;
  for (const template of leaf) {
    let same = 0;
    for (let index = 0; index < words.length; index += 1) if (template.words[index] === words[index]) same += 1;
    if (same > most) [best, most] = [template, same];
  }
  return [best, most / words.length];
};

const generalise = (template: Template, words: readonly string[]): void => {
  for (let index = 0; index < words.length; index += 1)
    if (template.words[index] !== words[index]) template.words[index] = masked;
};
