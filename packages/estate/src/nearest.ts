/** The word someone probably meant: the nearest known one by edit distance, if it is near enough. */

/** The nearest of `known`, or undefined when none is within a third of the word's length (at least 2 edits). */
export const nearest = (word: string, known: readonly string[]): string | undefined => {
  const limit = Math.max(2, Math.floor(word.length / 3));
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_ ]/g, '');
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(plain(word), plain(candidate)) }))
    .filter(({ candidate, distance }) => distance <= limit && distance < Math.max(word.length, candidate.length))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
};

/** Edits that turn one text into the other, a swap of neighbours counting once (optimal string alignment). */
export const editDistance = (from: string, to: string): number => {
  const a = from.slice(0, maximumWordLength);
  const b = to.slice(0, maximumWordLength);
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
};

/** Longer words are compared by their beginnings: the cost grows with the square of the length. */
const maximumWordLength = 64;
