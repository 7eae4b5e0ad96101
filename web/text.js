// Text of numbers and times, and elements that hold text. Whatever comes from certificates and logs
// is hostile: it becomes text here and nothing else anywhere.

const NUMBERS = new Intl.NumberFormat("en");

export const byId = (id) => document.getElementById(id);

export const number = (value) => NUMBERS.format(value);

// A rate needs its fraction only while it is small.
export const rate = (value) => (value < 9.95 ? value.toFixed(1) : number(Math.round(value)));

export function duration(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86_400)} days`;
}

export const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

// Sets a text only where it changed: nothing is laid out, or read out, again for nothing.
export function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

export function speak(text) {
  byId("spoken").textContent = text;
}
