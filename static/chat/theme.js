/**
 * Light or dark: what the system wants, unless the user chose. Loaded in the head and not as a module, so that the
 * choice holds before anything is painted.
 */
(() => {
  const KEY = "chat.theme";
  const NAMES = ["system", "light", "dark"];
  const root = document.documentElement;
  const gettext = globalThis.gettext ?? ((text) => text);
  const LABELS = {
    system: gettext("Theme: as the system. Change it."),
    light: gettext("Theme: light. Change it."),
    dark: gettext("Theme: dark. Change it."),
  };

  function chosen() {
    try {
      const name = localStorage.getItem(KEY);
      return NAMES.includes(name) ? name : "system";
    } catch {
      return "system";
    }
  }

  function apply(name) {
    if (name === "system") delete root.dataset.theme;
    else root.dataset.theme = name;
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      const label = LABELS[name];
      button.dataset.shows = name;
      button.title = label;
      button.setAttribute("aria-label", label);
    }
  }

  function next() {
    const name = NAMES[(NAMES.indexOf(chosen()) + 1) % NAMES.length];
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // no storage: the choice lives as long as the page
    }
    apply(name);
  }

  apply(chosen());
  document.addEventListener("DOMContentLoaded", () => {
    apply(chosen());
    for (const button of document.querySelectorAll("[data-theme-toggle]"))
      button.addEventListener("click", next);
  });
  window.addEventListener("storage", (event) => event.key === KEY && apply(chosen()));
})();
