// Text of numbers and times, and elements that hold text. Certificates and logs are hostile: what they
// contain becomes text here, and never markup.

const NUMBERS = new Intl.NumberFormat("en");

export const byId = (id) => document.getElementById(id);

export const number = (value) => NUMBERS.format(value);

// A rate needs its fraction only while it is small.
export const rate = (value) => (value > 0 && value < 9.95 ? value.toFixed(1) : number(Math.round(value)));

export function duration(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86_400)} days`;
}

export const clock = (time) => time.toLocaleTimeString("en-GB");

export const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

// Characters that cannot be seen, or change the direction of others, as their codes.
export const visible = (text) => text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
  return `\\u{${character.codePointAt(0).toString(16)}}`;
});

// Sets a text only where it changed: nothing is laid out, or read out, again for nothing.
export function set(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content.map((part) => (typeof part === "string" ? visible(part) : part)));
  return made;
}

export function button(className, text, onClick) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

// The address of a path on this server, which a proxy may serve below a path of its own.
export function address(path, parameters = {}) {
  const url = new URL(`.${path}`, new URL(".", location.href));
  url.search = new URLSearchParams(parameters).toString();
  return url;
}

export function speak(text) {
  byId("spoken").textContent = text;
}

// Browsers give the clipboard only to pages of HTTPS and of this machine; elsewhere the old way works.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", "unseen");
    field.value = text;
    // Inside an open dialog nothing else can have the focus.
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    const had = document.activeElement;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    had?.focus();
    return done;
  }
}
