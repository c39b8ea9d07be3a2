/** The known name with the smallest edit distance to `name`. `null` = no known name is similar. */
export function nearestName(name: string, known: readonly string[]): string | null {
  let nearest: string | null = null;
  // More changes than a third of its letters make another word.
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const each of known) {
    const changes = changesBetween(name.toLowerCase(), each.toLowerCase());
    if (changes < least) [nearest, least] = [each, changes];
  }
  return nearest;
}

/** Optimal string alignment distance: the number of letters to insert, remove, replace, or swap with their neighbour. */
function changesBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, replaced, swapped ? rows[i - 2]![j - 2]! + 1 : Infinity);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
