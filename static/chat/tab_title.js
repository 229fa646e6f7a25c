/** The tab's title; while nobody looks it tells what has happened, too. */

export class TabTitle {
  #title = document.title;
  #news = "";

  constructor() {
    document.addEventListener("visibilitychange", () => document.hidden || this.tell(""));
  }

  set(title) {
    this.#title = title;
    this.#show();
  }

  /** Told until somebody looks; to whoever looks, nothing is. */
  tell(news) {
    this.#news = document.hidden ? news : "";
    this.#show();
  }

  #show() {
    const title = this.#news ? `● ${this.#news} · ${this.#title}` : this.#title;
    if (document.title !== title) document.title = title;
  }
}
