/**
 * Words for people, in the language of the page: `gettext("Send")`, `ngettext("{n} message", "{n} messages", n)`.
 *
 * The catalogue is a script before the modules (`chat/page/words.py`); without one the words are the English ones.
 */

const catalogue = globalThis.django ?? {
  gettext: (text) => text,
  ngettext: (one, many, count) => (count === 1 ? one : many),
};

/** `{name}` in the text stands for `values.name`. */
export function gettext(text, values = {}) {
  return filled(catalogue.gettext(text), values);
}

/** By a number, which is `{n}` in the text. */
export function ngettext(one, many, count, values = {}) {
  return filled(catalogue.ngettext(one, many, count), { n: number.format(count), ...values });
}

const page = globalThis.document?.documentElement.lang ?? "";
const browser = globalThis.navigator?.language ?? "";

/** For dates and numbers: the page's language, in the browser's own manner where it speaks the same. */
export const locale = (browser.split("-")[0] === page ? browser : page) || undefined;

const number = new Intl.NumberFormat(locale);

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}
