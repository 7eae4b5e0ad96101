// Times of the history, in the time zone of the browser.

const MINUTE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

// "30 Nov, 13:46", or "30 Nov 2025" of another year.
export const short = (time) => (time.getFullYear() === new Date().getFullYear() ? MINUTE : DATE).format(time);

// "30 Nov 2026, 13:46:05".
export const exact = (time) => EXACT.format(time);
