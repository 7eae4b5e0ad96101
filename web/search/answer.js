// The answers to searches: lines of JSON as they arrive, and refusals in words.

const LONGEST_TEXT = 400;

export async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part !== "") yield JSON.parse(part);
    }
  }
}

// Returns the reason of a refusal: the server's own words, or those for the status of a proxy before it.
export async function refusal(answer) {
  const isText = /^text\/plain/i.test(answer.headers.get("Content-Type") ?? "");
  const text = isText ? (await answer.text()).trim().slice(0, LONGEST_TEXT) : "";
  const seconds = Number(answer.headers.get("Retry-After"));
  if (answer.status === 503 || answer.status === 429) {
    const again = seconds > 0 ? `in ${seconds} s` : "later";
    return `The server is busy. Try again ${again}.${text && ` Its reason: ${text}`}`;
  }
  if (answer.status === 401) return "This server requires a token. Enter it above, and search again.";
  return text || `The server answers with status ${answer.status}.`;
}
