//! How often the page draws: live, every few seconds, or not until it is asked.
//!
//! In comes the reader's choice, from the page or from its address; out goes the word that it is
//! time to draw. Never keeps figures: they come in all the while, and the newest are drawn.

import { byId, setText } from './dom.js';
import { words } from './language.js';

/** The choices: live, so many seconds, or paused. */
const CHOICES = ['live', '5', '10', '30', '60', 'paused'];

/**
 * @param {?string} asked what the address says
 * @returns {string} one of the choices
 */
export function paceOf(asked) {
  return CHOICES.find((choice) => choice === asked) ?? 'live';
}

/** The chooser and the button beside it. */
export class Pace {
  #select = byId('pace', HTMLSelectElement);
  #button = byId('refresh');
  #due;
  #timer = 0;

  /** @param {() => void} due called when the newest figures are to be drawn */
  constructor(due) {
    this.#due = due;
    this.#select.addEventListener('change', () => this.#choose());
    this.#button.addEventListener('click', due);
  }

  /** Takes what the address asks for. */
  begin() {
    this.#select.value = paceOf(new URLSearchParams(location.search).get('refresh'));
    this.translate();
    this.#follow();
  }

  /** Whether every change is drawn at once. */
  get isLive() {
    return this.#select.value === 'live';
  }

  /** The choice in words, where it is not live. */
  get text() {
    if (this.isLive) return '';
    return this.#select.value === 'paused' ? words().paused : words().every(words().seconds(this.#select.value));
  }

  /** Writes the choices in the page's language. */
  translate() {
    for (const option of this.#select.options) {
      const { value } = option;
      if (value === 'live') setText(option, words().live);
      else setText(option, value === 'paused' ? words().paused : words().every(words().seconds(value)));
    }
  }

  #choose() {
    const url = new URL(location.href);
    if (this.isLive) url.searchParams.delete('refresh');
    else url.searchParams.set('refresh', this.#select.value);
    history.replaceState(history.state, '', url);
    this.#follow();
    if (this.isLive) this.#due();
  }

  #follow() {
    clearInterval(this.#timer);
    this.#button.hidden = this.isLive;
    const seconds = Number(this.#select.value);
    this.#timer = seconds > 0 ? setInterval(this.#due, seconds * 1000) : 0;
  }
}
