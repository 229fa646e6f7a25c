// django-unfold writes JavaScript into attributes, which its Alpine evaluates. Ours (unfold/js/alpine/alpine.js) is Alpine's
// build without `eval`: it takes one expression, and no name that is not in its scope. What unfold's templates need beyond
// that is given here. A page of the admin that needs more says so on its console, and a test in Chromium reads that.

(() => {
  const WATCH = /\$watch\([^]*?=>[^]*?\)\s*\)\s*;?\s*$/; // the button that changes the value stores it as well
  const IF = /^if\s*\((.*)\)\s+(?!\{)(.+)$/s;

  /** `a; b` as `[a, b]`, `if (a) b` as `(a) && (b)`. */
  function asExpression(code) {
    const statements = code
      .replace(WATCH, "")
      .split(/;(?=(?:[^']*'[^']*')*[^']*$)/)
      .map((statement) => statement.trim().replace(IF, "($1) && ($2)"))
      .filter(Boolean);
    return statements.length > 1 ? `[${statements.join(", ")}]` : (statements[0] ?? "");
  }

  const isEvaluated = ({ name }) => /^(x-(init|on|data|show|bind|text|model|if)\b|@|:)/.test(name);

  document.addEventListener("alpine:init", () => {
    const { Alpine } = window;
    const names = {
      localStorage: {
        getItem: (key) => localStorage.getItem(key),
        setItem: (key, value) => localStorage.setItem(key, value),
      },
      window: {
        location: {
          get pathname() {
            return window.location.pathname;
          },
          get search() {
            return window.location.search;
          },
        },
      },
      getCurrentTab: () => window.getCurrentTab(),
      sortRecords: (event) => window.sortRecords(event),
    };
    Alpine.data("theme", (...given) => Object.assign(window.theme(...given), names));
    for (const form of ["searchForm", "searchDropdown", "searchCommand"]) {
      Alpine.data(form, () => window[form]());
    }
    Alpine.interceptInit((element) => {
      for (const attribute of [...element.attributes]) {
        if (isEvaluated(attribute) && /;|=>|^\s*if\b/.test(attribute.value)) {
          element.setAttribute(attribute.name, asExpression(attribute.value));
        }
      }
    });
  });
})();
