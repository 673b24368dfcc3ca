// Which words of two texts are in one of them alone: those outside a longest common subsequence (Hunt and Szymanski,
// "A fast algorithm for computing longest common subsequences", 1977). Knows nothing of pages.

const LIKES = 64; // of a word that a text repeats, only the nearest by rank are tried: the work stays linear

// Two lists of words; two lists of booleans, true: only here.
export function onlyIn(one, two) {
  const where = new Map();
  two.forEach((word, at) => (where.has(word) ? where.get(word).push(at) : where.set(word, [at])));
  const seen = new Map();
  const ends = []; // ends[n]: where in `two` the best common subsequence of length n + 1 ends
  const links = []; // the same place as a link of a chain: [at in one, at in two, the link before]
  one.forEach((word, at) => {
    const rank = seen.get(word) ?? 0;
    seen.set(word, rank + 1);
    const likes = where.get(word) ?? [];
    const last = Math.min(likes.length, rank + LIKES / 2) - 1;
    for (let like = last; like >= Math.max(0, rank - LIKES / 2); like--) {
      const place = firstNotBelow(ends, likes[like]);
      if (ends[place] === likes[like]) continue;
      ends[place] = likes[like];
      links[place] = [at, likes[like], links[place - 1] ?? null];
    }
  });
  const found = [one.map(() => true), two.map(() => true)];
  for (let link = links.at(-1); link; link = link[2]) found[0][link[0]] = found[1][link[1]] = false;
  return found;
}

function firstNotBelow(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
