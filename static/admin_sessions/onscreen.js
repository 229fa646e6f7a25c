// The replay begins with the answer that one reads: its link in the tabs names the first one on the screen.

/** What ends above this is read already. */
const TOP_PX = 80;

/** At the top of a transcript it names none, and the replay begins with the first thing that was said. */
export function beginsOnScreen(link, talk) {
  const name = () => {
    const answers = [...talk.querySelectorAll(":scope > .sx-answer[id^=seq-]")];
    const place = answers.findIndex((one) => one.getBoundingClientRect().bottom > TOP_PX);
    const url = new URL(link.href);
    if (place > 0) {
      url.searchParams.set("at", answers[place].id.slice("seq-".length));
    } else {
      url.searchParams.delete("at");
    }
    link.href = url.href;
  };
  for (const way of ["click", "auxclick"]) {
    link.addEventListener(way, name);
  }
}
