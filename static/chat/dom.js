/** Small help with the document: elements, icons, and one place to speak to screen readers. */

/** An element. Properties are set as attributes, but for `class`, `text`, `on` ({event: handler}) and booleans. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "on")
      for (const [type, handler] of Object.entries(value)) node.addEventListener(type, handler);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of the page's sprite, for the eye only. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function iconButton(name, label, properties = {}) {
  const classes = ["icon-button", properties.class].filter(Boolean).join(" ");
  return el(
    "button",
    { type: "button", title: label, "aria-label": label, ...properties, class: classes },
    icon(name),
  );
}

/** Set a text only where it differs, so that nothing is announced or laid out anew for nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A key that an input method takes for the word that it composes. */
export function isComposed({ isComposing, keyCode }) {
  return isComposing || keyCode === 229;
}

/** Have a screen reader say it when it has a moment. */
export function announce(text) {
  const region = document.getElementById("announcer");
  region.replaceChildren(el("p", { text }));
}
