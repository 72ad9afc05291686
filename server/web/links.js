//! A link to each view alone, beside its heading: to be opened, passed on, or put into an iframe.
//!
//! In comes the page's address; out go links that say what the page shows at the moment at which
//! somebody reaches for them.

import { el, setAttribute } from './dom.js';
import { words } from './language.js';

/** What belongs to the reader, or to the page as a whole, and not to a view of it. */
const LEFT_OUT = ['screen', 'refresh', 'header'];

/** Puts a link into the head of every view; again after the language changed. */
export function linkViews() {
  for (const link of document.querySelectorAll('.view-link')) link.remove();
  for (const view of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-view]'))) {
    const heading = view.querySelector('h2:not(.unseen)');
    if (heading === null) continue;
    const link = el('a', 'view-link');
    link.target = '_blank';
    link.rel = 'noopener';
    const refresh = () => {
      link.href = addressOf(view.dataset.view ?? '');
      setAttribute(link, 'aria-label', words().view_link(heading.textContent ?? ''));
      setAttribute(link, 'title', words().view_alone);
    };
    for (const reach of ['pointerenter', 'focus', 'touchstart']) link.addEventListener(reach, refresh, { passive: true });
    refresh();
    heading.after(link);
  }
}

/** @param {string} view */
function addressOf(view) {
  const url = new URL(location.href);
  for (const name of LEFT_OUT) url.searchParams.delete(name);
  url.searchParams.set('embed', view);
  return url.href;
}
