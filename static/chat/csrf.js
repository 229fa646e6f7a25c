/** By what the server knows its own pages. It changes as somebody signs in, in another tab as well, so it is read as it is needed. */

const COOKIE = "csrftoken=";

export function csrfToken() {
  const cookie = document.cookie.split("; ").find((one) => one.startsWith(COOKIE));
  return cookie?.slice(COOKIE.length) ?? document.querySelector("[name=csrfmiddlewaretoken]").value;
}
