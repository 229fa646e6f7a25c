// What a browser says of a passkey that did not work, in plain words, in the page's own banner.

const WORDS = {
  NotAllowedError: "Nothing was chosen, or it took too long. Try again.",
  InvalidStateError: "This key is set up already.",
  SecurityError: "Passkeys need https and a host name (on this machine: http://localhost).",
  NotSupportedError: "This browser or device has no passkeys.",
};

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const { exception } = event.detail;
  const banner = document.getElementById("key-trouble");
  banner.querySelector("p").textContent = WORDS[exception?.name] ?? "That did not work here. Use your password or a code.";
  banner.hidden = false;
});
