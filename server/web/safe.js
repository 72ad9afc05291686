//! What of a register may reach a style or an image: colours and portrait addresses.
//!
//! In come texts that somebody wrote into a register; out goes a value that can do no harm, or
//! null. Everything else from the register is set as text content and needs no check. Pure.

const HEX = /^#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i;
const FUNCTION = /^(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\([-+0-9.,%/ a-z]{1,60}\)$/i;
const NAME = /^[a-z]{3,24}$/i;
// Names that CSS takes as a colour but that mean the page's own, or none.
const NO_COLOR = /^(?:inherit|initial|unset|revert|currentcolor|transparent)$/i;

/**
 * A colour that may go into a style, or null.
 *
 * @param {?string} text
 * @param {(color: string) => boolean} [supports] whether the browser knows it as a colour
 * @returns {?string}
 */
export function safeColor(text, supports = (color) => CSS.supports('color', color)) {
  const color = (text ?? '').trim();
  const shaped = HEX.test(color) || FUNCTION.test(color) || NAME.test(color);
  return shaped && !NO_COLOR.test(color) && supports(color) ? color : null;
}

/**
 * The address of a portrait or of outlines, or null: of the page's own origin, or of one that the
 * register named when the page was loaded, since the content policy lets in no other.
 *
 * @param {?string} text
 * @param {string} [page] the page's own address
 * @param {string} [origins] those that the policy lets in; `https:` for all with TLS
 * @returns {?string}
 */
export function safeAddress(text, page = document.baseURI, origins = document.documentElement.dataset.origins ?? '') {
  if (!text) return null;
  try {
    const url = new URL(text, page);
    const listed = origins.split(' ');
    const named = url.protocol === 'https:' && (listed.includes(url.origin) || listed.includes('https:'));
    const own = /^https?:$/.test(url.protocol) && url.origin === new URL(page).origin;
    return named || own ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * Whether a page that was loaded before any register was known would show more if it came again.
 *
 * @param {readonly import('./contests.js').Election[]} elections
 * @returns {boolean}
 */
export function wantsAnotherPolicy(elections) {
  if (document.documentElement.dataset.origins !== undefined) return false;
  const photos = elections.flatMap(({ contests }) => contests.flatMap(({ candidates }) => candidates.map((row) => row.photo_url)));
  const addresses = [...photos, ...elections.map((election) => election.geojson_url)];
  return addresses.some((address) => safeAddress(address, document.baseURI, 'https:') !== safeAddress(address));
}

/** How many fallback colours the style sheet has, as `--fallback-0` and so on. */
const FALLBACKS = 10;

/**
 * The colour of a candidate: the register's if it is one, else one by place on the ballot paper.
 *
 * @param {?string} color
 * @param {number} place
 * @returns {string} a CSS colour
 */
export function paint(color, place) {
  return safeColor(color) ?? `var(--fallback-${place % FALLBACKS})`;
}
