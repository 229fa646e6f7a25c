// Keys that are pressed before the desk's script is there are kept for it: that one waits for the whole page, a person does not.

(() => {
  const TAKES_KEYS = "input, textarea, select, [contenteditable], a, button, summary, label";
  const typed = [];

  function keep(event) {
    const means = event.key === "Enter" || (event.key.length === 1 && event.key !== " ");
    const alone = !(event.ctrlKey || event.metaKey || event.altKey || event.isComposing);
    if (means && alone && !event.target.closest?.(TAKES_KEYS)) {
      typed.push(event.key);
      event.preventDefault();
      event.stopPropagation();
    }
  }

  addEventListener("keydown", keep, true);

  /** What was typed so far. From now on whoever takes it listens. */
  window.deskTyped = () => {
    removeEventListener("keydown", keep, true);
    return typed.splice(0);
  };
})();
