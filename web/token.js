// The token of a server that requires one. It is kept for this tab only, and never in the address.

import { byId, set } from "./text.js";

const KEY = "certstream-token";

let token = null;

// Browsers may refuse storage; then the token is kept until the page is left.
function stored(change) {
  try {
    return change(sessionStorage);
  } catch {
    return null;
  }
}

export const current = () => token;

// Takes a token from the address, as links to this page had it before, or from the session.
export function begin(onChange) {
  const url = new URL(location.href);
  const given = url.searchParams.get("token");
  if (given !== null) {
    url.searchParams.delete("token");
    history.replaceState(null, "", url);
    stored((storage) => storage.setItem(KEY, given));
  }
  token = given ?? stored((storage) => storage.getItem(KEY));
  byId("token").addEventListener("submit", (event) => {
    event.preventDefault();
    change(byId("token-text").value.trim() || null);
    onChange();
  });
  byId("token-forget").addEventListener("click", () => {
    change(null);
    onChange();
  });
  show();
}

function change(to) {
  token = to;
  byId("token-text").value = "";
  stored((storage) => (to === null ? storage.removeItem(KEY) : storage.setItem(KEY, to)));
  show();
}

function show() {
  byId("token-forget").hidden = token === null;
}

// Asks for a token, or for another one.
export function ask(isRefused) {
  set(byId("token").querySelector("label"), isRefused ? "The server did not accept this token." : "This server requires a token.");
  byId("token").hidden = false;
}

export function accepted() {
  byId("token").hidden = true;
}
