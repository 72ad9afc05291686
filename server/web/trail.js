//! The way from all locations down to one, each step a way back up.

import { el, nameEl, setText } from './dom.js';
import { named } from './format.js';
import { words } from './language.js';
import { trailOf } from './level.js';

/**
 * @param {HTMLElement} trail where it is drawn; hidden where there is nothing above
 * @param {Map<string, import('./reducer.js').LocationRow>} locations
 * @param {?string} under
 * @param {(code: ?string) => void} enter
 */
export function drawTrail(trail, locations, under, enter) {
  trail.hidden = under === null;
  /** @type {{location: ?string, name: string}[]} */
  const steps = [{ location: null, name: words().all }, ...trailOf(locations, under)];
  const key = JSON.stringify(steps.map((step) => [step.location, step.name]));
  if (trail.dataset.key === key) return;
  trail.dataset.key = key;
  trail.replaceChildren(...steps.flatMap((step, at) => {
    const last = at === steps.length - 1;
    const name = nameEl();
    setText(name, named(step.name, step.location ?? ''));
    const node = el(last ? 'span' : 'button', '', name);
    if (last) node.setAttribute('aria-current', 'location');
    else node.setAttribute('type', 'button');
    node.addEventListener('click', () => last || enter(step.location));
    return at === 0 ? [node] : [' › ', node];
  }));
}
