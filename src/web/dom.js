// @ts-check
/**
 * Elements without markup: what is shown is always text. Nothing here, and nothing elsewhere in the page, turns a string
 * into HTML.
 */

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown>} Props
 */

/**
 * `class`, `text`, `on…` and `style` (of the object model, which the policy allows) are what they say; `true` is an
 * attribute without a value, `false`, null and undefined are none.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') element.textContent = String(value);
    else if (name === 'class') element.className = String(value);
    else if (name === 'style') Object.assign(element.style, value);
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...nodes(children));
  return element;
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * Writes only where something is new: a reader's selection and a screen reader's place stay.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/**
 * Writes what differs, child by child, and leaves the rest alone: what is looked at again and again keeps the focus, the
 * reader's selection, and is not read out anew by a screen reader where nothing is new.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function patch(element, ...children) {
  const next = nodes(children);
  const fresh = next.map((node) => (node instanceof Node ? node : document.createTextNode(node)));
  while (element.childNodes.length > fresh.length) element.lastChild?.remove();
  for (const [at, node] of fresh.entries()) {
    const old = element.childNodes[at];
    if (!old) element.append(node);
    else if (!old.isEqualNode(node)) old.replaceWith(node);
  }
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Elements by a key, in the order of a list: those that stay are kept, so that focus stays too.
 *
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement & { update?: (item: T) => void }} make
 */
export function keyed(parent, items, keyOf, make) {
  /** @type {Map<string, any>} */
  const known = new Map(
    [...parent.children].map((child) => [/** @type {HTMLElement} */ (child).dataset['key'] ?? '', child]),
  );
  let before = null;
  for (const item of items) {
    const key = keyOf(item);
    let element = known.get(key);
    if (element) {
      known.delete(key);
      element.update?.(item);
    } else {
      element = make(item);
      element.dataset['key'] = key;
    }
    const place = before ? before.nextSibling : parent.firstChild;
    if (place !== element) parent.insertBefore(element, place);
    before = element;
  }
  for (const gone of known.values()) gone.remove();
}

/**
 * A dialog that is taken away when it closes. Escape closes it; focus goes back to where it was.
 *
 * @param {Props} props
 * @param {...(Child | Child[])} children
 */
export function openDialog(props, ...children) {
  const dialog = h('dialog', props, ...children);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {string} text */
export function say(text) {
  setText(byId('live'), text);
}
