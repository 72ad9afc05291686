//! A list on a wall, where nobody scrolls: what does not fit is left out, and counted.

/**
 * Leaves out the last items of a list that do not fit into its height.
 *
 * @param {HTMLElement} list whose height does not follow its items
 * @returns {number} how many it left out
 */
export function leaveOut(list) {
  const items = /** @type {HTMLElement[]} */ ([...list.children]);
  for (const item of items) item.classList.remove('is-left-out');
  const bottom = list.getBoundingClientRect().top + list.clientHeight + 1;
  const first = items.findIndex((item) => item.offsetHeight > 0 && item.getBoundingClientRect().bottom > bottom);
  if (first < 0) return 0;
  for (const item of items.slice(first)) item.classList.add('is-left-out');
  return items.length - first;
}
