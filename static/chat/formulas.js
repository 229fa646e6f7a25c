/**
 * Formulas as KaTeX draws them, which is fetched with the first one. Until then, and where one is wrong, its source is shown.
 *
 * The page's policy forbids style attributes; KaTeX's own are set through the style object, which it allows.
 */

const OPTIONS = { strict: "ignore", trust: false, maxSize: 20, maxExpand: 300, throwOnError: true };
const MOST_KEPT = 500;

let katex = null;
let loading = null;
const waiting = new Set();
const drawn = new Map();

/** Draw all formulas below a node: now, or as soon as KaTeX is there. */
export function drawFormulas(root) {
  for (const node of root.querySelectorAll(".math")) {
    if (katex) draw(node);
    else waiting.add(node);
  }
  if (waiting.size) loading ??= load();
}

async function load() {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = document.body.dataset.mathStyle ?? new URL("../vendor/katex/katex.min.css", import.meta.url).href;
  const styled = new Promise((resolve) => (style.onload = style.onerror = resolve));
  document.head.append(style);
  try {
    await Promise.all([import("../vendor/katex/katex.min.js"), styled]);
  } catch {
    loading = null; // the next formula tries again
    return;
  }
  katex = window.katex;
  const nodes = [...waiting];
  waiting.clear();
  for (const node of nodes) draw(node);
}

function draw(node) {
  const source = node.textContent;
  const display = node.classList.contains("display");
  const key = `${display} ${source}`;
  if (!drawn.has(key)) {
    if (drawn.size >= MOST_KEPT) drawn.clear();
    drawn.set(key, drawing(source, display));
  }
  const found = drawn.get(key);
  if (found) node.replaceChildren(found.cloneNode(true));
  node.classList.add(found ? "drawn" : "broken");
}

function drawing(source, displayMode) {
  try {
    const tree = katex.__renderToDomTree(source, { ...OPTIONS, displayMode });
    const styles = takeStyles(tree);
    const node = tree.toNode();
    for (const styled of node.querySelectorAll("[data-style]")) {
      styled.style.cssText = styles[Number(styled.dataset.style)];
      delete styled.dataset.style;
    }
    return node;
  } catch {
    return null; // not a formula that KaTeX reads
  }
}

/** The style attributes of a tree, each replaced by its number. */
function takeStyles(tree, styles = []) {
  const style = tree.attributes?.style;
  if (style) {
    delete tree.attributes.style;
    tree.attributes["data-style"] = String(styles.push(style) - 1);
  }
  for (const child of tree.children ?? []) takeStyles(child, styles);
  return styles;
}
