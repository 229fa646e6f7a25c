// The drawer of a list's filters: the focus goes into it when it opens, stays there, and comes back when it closes.

const button = document.querySelector("[data-filters]");
const drawer = document.getElementById("changelist-filter");

/** What takes the focus now: what stands in a folded group does not. */
const takers = () =>
  [...drawer.querySelectorAll("summary, input:not([type=hidden]), select, button, a[href]")].filter((one) =>
    one.checkVisibility({ visibilityProperty: true }),
  );

const isOpen = () => drawer.checkVisibility();

function focusFirst() {
  const used = drawer.querySelector("details[open] :is(input:not([type=hidden]), select)");
  (used?.checkVisibility() ? used : takers()[0])?.focus();
}

if (button && drawer) {
  drawer.setAttribute("role", "dialog");
  drawer.setAttribute("aria-label", "Filters");
  let wasOpen = isOpen();
  new MutationObserver(() => {
    const open = isOpen();
    if (open && !wasOpen) focusFirst();
    if (!open && wasOpen) button.focus();
    wasOpen = open;
  }).observe(drawer, { attributes: true, attributeFilter: ["style"] });
  drawer.addEventListener("keydown", (event) => {
    if (event.key !== "Tab") return;
    const all = takers();
    const [from, to] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
    if (document.activeElement === from) {
      event.preventDefault();
      to.focus();
    }
  });
}
