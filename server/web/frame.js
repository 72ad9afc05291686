//! What surrounds the views: one alone in somebody else's page, all of them large, light or dark.
//!
//! In comes the address, once; out go marks on the page for the style sheets, and, to the page
//! around an embedded view, how high it is, as `{type: 'tallyflow:height', embed, height}` in CSS
//! pixels, so that it can make room. Says nothing else to anybody.

import { byId } from './dom.js';

/**
 * Takes what the address says of the frame.
 *
 * @returns {?string} a view that it asks for and that there is not
 */
export function frameFromAddress() {
  const asked = new URLSearchParams(location.search);
  const root = document.documentElement;
  const theme = asked.get('theme');
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  root.classList.toggle('is-screen', ['', '1'].includes(asked.get('screen') ?? 'no'));
  const alone = asked.get('embed');
  if (alone === null) return null;
  root.dataset.embed = alone;
  const hasHeader = ['', '1'].includes(asked.get('header') ?? '0');
  root.toggleAttribute('data-header', hasHeader);
  // Without the header the page is still called something, for those who listen to it.
  byId('alone-title').hidden = hasHeader;
  const nodes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-view]')]);
  for (const node of nodes) node.classList.toggle('not-asked', node.dataset.view !== alone);
  if (window.parent !== window) tellHeight(alone);
  return nodes.some((node) => node.dataset.view === alone) ? null : alone;
}

/** @param {string} embed */
function tellHeight(embed) {
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    window.parent.postMessage({ type: 'tallyflow:height', embed, height }, '*');
  }).observe(document.body);
}
