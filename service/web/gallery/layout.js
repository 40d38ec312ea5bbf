/** Rows of pictures: each row is filled to the edge, and keeps the shapes of its pictures. Numbers only. */

/** The height that rows should have, by the width of the page. */
export function rowHeight(width) {
  return width < 600 ? 150 : width < 1100 ? 200 : 232;
}

/**
 * The place of each tile: `{rows: [{top, height, from, to}], boxes: [{left, top, width, height}], height}`.
 * While more follow, a last row that is not full is left out: it would be another one with them. Else it keeps the usual
 * height.
 */
export function arrange(ratios, width, gap, target, more) {
  const rows = [];
  const boxes = [];
  let top = 0;
  let from = 0;
  let sum = 0;
  const close = (to, height) => {
    let left = 0;
    for (let index = from; index < to; index += 1) {
      const wide = Math.min(ratios[index] * height, width);
      boxes.push({ left, top, width: wide, height });
      left += wide + gap;
    }
    rows.push({ top, height, from, to });
    top += height + gap;
    from = to;
    sum = 0;
  };
  for (let index = 0; index < ratios.length; index += 1) {
    sum += ratios[index];
    const room = width - gap * (index - from);
    if (sum * target >= room) close(index + 1, room / sum);
  }
  if (from < ratios.length && !(more && rows.length)) close(ratios.length, Math.min(target, (width - gap * (ratios.length - from - 1)) / sum));
  return { rows, boxes, height: Math.max(0, top - gap) };
}

/** The first and the last row that lie between two heights. */
export function rowsBetween(rows, above, below) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height < above) low = middle + 1;
    else high = middle;
  }
  let last = low;
  while (last < rows.length && rows[last].top <= below) last += 1;
  return [low, last];
}
