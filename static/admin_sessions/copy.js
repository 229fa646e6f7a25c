// A button that copies what stands in a field or another element; where the browser lets no page copy, that is chosen instead.

/** Also those that come to the page later. */
const show = () => document.querySelectorAll("[data-copy][hidden]").forEach((button) => (button.hidden = false));

show();
new MutationObserver(show).observe(document.body, { childList: true, subtree: true });

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  if (source.select) source.select();
  else getSelection().selectAllChildren(source);
  try {
    await navigator.clipboard.writeText(source.value ?? source.dataset.exact ?? source.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
  }
});
