// What a browser says of a passkey that did not work, in plain words, in the page's own banner, which has them.

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const { exception } = event.detail;
  const banner = document.getElementById("key-trouble");
  const { dataset } = banner;
  banner.querySelector("p").textContent = dataset[exception?.name?.toLowerCase()] ?? dataset.otherwise;
  banner.hidden = false;
});
