//! Elements without HTML text: everything that is shown goes in as text content.
//!
//! In come tags, class names and text; out go elements. Never parses a string as HTML, so nothing
//! that a register holds can become markup or script.

/**
 * An element with a class and children; strings become text.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [className]
 * @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, className = '', ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** An element that holds a name somebody wrote, set apart so that its direction stays its own. */
export function nameEl(className = '') {
  return el('bdi', className);
}

/** Sets an element's whole text, touching the page only if it differs. @param {Element} node @param {string} text */
export function setText(node, text) {
  const only = node.firstChild;
  if (only instanceof Text && only === node.lastChild) {
    if (only.data !== text) only.data = text;
  } else if (only !== null || text !== '') {
    node.textContent = text;
  }
}

/**
 * Sets a style property or custom property, touching the page only if it differs.
 *
 * @param {HTMLElement} node
 * @param {string} property
 * @param {string} value
 */
export function setStyle(node, property, value) {
  if (node.style.getPropertyValue(property) !== value) node.style.setProperty(property, value);
}

/** Sets or removes an attribute. @param {Element} node @param {string} name @param {?string} value */
export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/**
 * Makes the children of a parent exactly these nodes in this order, moving as few as it easily can.
 *
 * @param {Element} parent
 * @param {Element[]} nodes
 * @returns {boolean} whether anything moved
 */
export function arrange(parent, nodes) {
  /** @type {Set<ChildNode>} */
  const kept = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!kept.has(child)) child.remove();
  let at = parent.firstChild;
  let moved = false;
  for (const node of nodes) {
    if (at !== node && at?.nextSibling === node) {
      // One that went down the list: take it out, and all that follow it keep their place.
      at.remove();
      at = node;
      moved = true;
    }
    if (at === node) {
      at = at.nextSibling;
    } else {
      parent.insertBefore(node, at);
      moved = true;
    }
  }
  return moved;
}

/**
 * The element of the page with this id; a page without it is a bug.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind] what it is, where more than an element is asked of it
 * @returns {T}
 */
export function byId(id, kind) {
  const node = document.getElementById(id);
  if (node === null || !(node instanceof (kind ?? HTMLElement))) throw new Error(`the page has no element '${id}' of this kind`);
  return /** @type {T} */ (node);
}
