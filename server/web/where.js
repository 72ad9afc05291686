//! Where in the tree of locations the reader is, for the map, the tiles, the table and the address.
//!
//! In come steps up and down; out goes the location whose parts are shown (null for all of them),
//! and the one that is looked at closely. Holds both, and tells who follows.

/** The reader's place in one contest's tree. */
export class Where {
  /** @type {?string} */
  #under = null;
  /** @type {?string} */
  #place = null;
  /** @type {string[]} */
  #missing = [];
  /** @type {(() => void)[]} */
  #followers = [];

  constructor() {
    this.#read();
  }

  /** The location whose parts are shown. */
  get under() {
    return this.#under;
  }

  /** The location that is looked at closely. */
  get place() {
    return this.#place;
  }

  /** Places that were asked for, and that the contest has not. */
  get missing() {
    return this.#missing;
  }

  /** @param {() => void} follower called after every step */
  follow(follower) {
    this.#followers.push(follower);
  }

  /** @param {?string} code */
  enter(code) {
    this.#under = code;
    this.#place = null;
    this.#tell();
  }

  /** @param {?string} code */
  look(code) {
    this.#place = code;
    this.#tell();
  }

  /**
   * Begins in another contest: where the address says, if the reader came by the browser's history,
   * else with all locations.
   *
   * @param {boolean} isStep
   */
  takeAddress(isStep) {
    if (isStep) this.#read();
    else this.enter(null);
  }

  /**
   * Leaves places that the register has no longer; tells nobody, since all are drawing.
   *
   * @param {Map<string, unknown>} locations
   */
  stayIn(locations) {
    const missing = [this.#under, this.#place].filter((code) => code !== null && !locations.has(code));
    if (missing.length === 0) return;
    this.#missing = [...new Set([...this.#missing, .../** @type {string[]} */ (missing)])];
    if (missing.includes(this.#under)) this.#under = null;
    if (missing.includes(this.#place)) this.#place = null;
  }

  #read() {
    const asked = new URLSearchParams(location.search);
    this.#under = asked.get('at');
    this.#place = asked.get('place') ?? asked.get('location');
    this.#missing = [];
  }

  #tell() {
    this.#missing = [];
    keep({ at: this.#under, place: this.#place, location: null });
    for (const follower of this.#followers) follower();
  }
}

/**
 * Writes what the reader chose into the address, so that it can be passed on; null takes it out.
 *
 * @param {Object<string, ?string>} choices
 */
export function keep(choices) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(choices)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href !== location.href) history.replaceState(history.state, '', url);
}

/**
 * Lets a choice begin with what the address says, and keeps it there.
 *
 * @param {HTMLSelectElement} select
 * @param {string} name in the address, which holds any other choice than the usual one
 * @param {string} usual
 * @param {() => void} changed called when the reader has chosen
 */
export function keepChoice(select, name, usual, changed) {
  const note = () => keep({ [name]: select.value === usual ? null : select.value });
  // The reader may have been quicker than this.
  if (select.selectedIndex > 0) note();
  else select.value = new URLSearchParams(location.search).get(name) ?? usual;
  if (select.selectedIndex < 0) select.value = usual;
  select.addEventListener('change', () => {
    note();
    changed();
  });
}
