// Names of colleagues in a note: offered while one types after an @, and told at once where nobody is called so.

const MOST = 6;
const BEGUN = /(?<![\w@])@([\w.@+-]*)$/;
const NAMED = /(?<![\w@])@([\w.@+-]{1,150})/g;

let lists = 0;

export function offerNames(root) {
  const names = [...root.querySelectorAll("select[name=assignee] option[data-name]")].map((one) => one.dataset.name);
  for (const field of root.querySelectorAll("textarea[data-mentions]")) {
    if (!field.hasAttribute("aria-autocomplete")) {
      new Mentions(field, names);
    }
  }
}

class Mentions {
  #found = [];
  #at = 0;
  /** Behind the blank that a name was given; null once something else was done. */
  #given = null;

  constructor(field, names) {
    this.field = field;
    this.names = names;
    lists += 1;
    this.list = part("ul", { id: `desk-names-${lists}`, role: "listbox", className: "desk-names", hidden: true });
    this.list.setAttribute("aria-label", "Colleagues");
    this.warning = part("p", { id: `desk-unknown-${lists}`, role: "status", className: "desk-unknown" });
    field.after(this.list, this.warning);
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", this.list.id);
    field.setAttribute("aria-describedby", this.warning.id);
    field.addEventListener("beforeinput", (event) => this.#goesOn(event));
    field.addEventListener("input", () => this.#typed());
    field.addEventListener("click", () => this.#typed());
    field.addEventListener("keydown", (event) => this.#pressed(event));
    field.addEventListener("blur", () => {
      this.#close();
      this.#warn(field.value);
    });
    // Before the field loses the focus.
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) {
        this.#take([...this.list.children].indexOf(option));
      }
    });
  }

  get #before() {
    return this.field.value.slice(0, this.field.selectionStart);
  }

  #typed() {
    const begun = BEGUN.exec(this.#before)?.[1].toLowerCase();
    const fits = (name) => name.toLowerCase().startsWith(begun) && name.toLowerCase() !== begun;
    this.#found = begun === undefined ? [] : this.names.filter(fits).slice(0, MOST);
    this.#at = 0;
    this.#show();
    // A name that is still being typed is nobody's yet.
    this.#warn(begun === undefined ? this.field.value : this.field.value.slice(0, this.field.selectionStart - begun.length - 1));
  }

  #show() {
    this.list.replaceChildren(
      ...this.#found.map((name, place) => {
        const option = part("li", { id: `${this.list.id}-${place}`, role: "option", textContent: `@${name}` });
        option.setAttribute("aria-selected", String(place === this.#at));
        return option;
      }),
    );
    this.list.hidden = this.#found.length === 0;
    if (this.list.hidden) {
      this.field.removeAttribute("aria-activedescendant");
    } else {
      this.field.setAttribute("aria-activedescendant", `${this.list.id}-${this.#at}`);
      this.list.scrollIntoView({ block: "nearest" });
    }
  }

  #close() {
    this.#found = [];
    this.#show();
  }

  #pressed(event) {
    if (!this.#found.length || event.isComposing || event.ctrlKey || event.metaKey) {
      return;
    }
    const count = this.#found.length;
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        this.#at = (this.#at + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
        this.#show();
        break;
      case "Enter":
      case "Tab":
        this.#take(this.#at);
        break;
      case "Escape":
        this.#close();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  #take(place) {
    const begun = BEGUN.exec(this.#before)[1];
    const end = this.field.selectionStart;
    const blank = /^\s/.test(this.field.value.slice(end)) ? "" : " ";
    this.field.setRangeText(this.#found[place] + blank, end - begun.length, end, "end");
    this.#given = blank && this.field.selectionStart;
    this.#close();
    this.#warn(this.field.value);
  }

  /** Who types on after a name types a blank of their own, or a comma that stands right behind it. */
  #goesOn(event) {
    const at = this.#given;
    this.#given = null;
    if (!at || event.inputType !== "insertText" || this.field.selectionStart !== at || this.field.selectionEnd !== at) {
      return;
    }
    if (event.data === " ") {
      event.preventDefault();
    } else if (/^[.,;:!?)]$/.test(event.data ?? "")) {
      this.field.setSelectionRange(at - 1, at);
    }
  }

  #warn(text) {
    const known = new Set(this.names.map((name) => name.toLowerCase()));
    const named = [...text.matchAll(NAMED)].map((one) => one[1].replace(/\.+$/, ""));
    const unknown = [...new Set(named.filter((name) => name && !known.has(name.toLowerCase())))];
    const words = unknown.length ? `Nobody who reviews here is called ${unknown.map((name) => `@${name}`).join(", ")}: nobody will be told.` : "";
    if (this.warning.textContent !== words) {
      this.warning.textContent = words;
    }
  }
}

function part(tag, { role, ...fields }) {
  const element = Object.assign(document.createElement(tag), fields);
  element.setAttribute("role", role);
  return element;
}
