// What scrolls within a page can be reached and scrolled with the keyboard: in a browser that does not see to that by itself, and
// for whoever reads the page by its parts.

const SCROLLS = "pre, .sx-prose table, .rp-scroll";

function look(node) {
  const scrolls = node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1;
  if (scrolls) node.tabIndex = 0;
  else node.removeAttribute("tabindex");
}

export function reach(root) {
  for (const node of root.querySelectorAll(SCROLLS)) look(node);
}

/** For as long as the page is there; what is folded has no size until it is opened. */
export function keepInReach(root) {
  reach(root);
  root.addEventListener("toggle", (event) => reach(event.target), true);
  addEventListener("resize", () => reach(root));
}
