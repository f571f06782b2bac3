/** Keys that are wrong: known ones that this version does not have, and misspelt ones. */
// What is near to a known word is taken for it, misspelt; of everything else the known words are told.

/** What to say of a key that its place does not have. @param path with list positions left out */
export function unknownKey(path: readonly string[], known: readonly string[]): string {
  const meant = closest(path.at(-1) ?? "", known);
  return meant === undefined
    ? `this is no key here; there are ${known.join(", ")}`
    : `this is no key here; did you mean ${meant}?`;
}

/** What to say of a word that is none of those that may stand there. */
export function wrongWord(word: string, known: readonly string[]): string {
  const meant = closest(word, known);
  return `"${word}" is none of ${known.join(", ")}${meant === undefined ? "; write one of them" : `; did you mean ${meant}?`}`;
}

/** The known word that is at most a third of its letters away from this one. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((each) => ({ each, far: distance(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, far }) => far <= Math.max(1, Math.floor(each.length / 3)))
    .sort((a, b) => a.far - b.far);
  return best?.each;
}

/** Letters to add, drop or change (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
