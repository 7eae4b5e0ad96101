// Programs that read the stream with a filter, as text to copy.

import { address } from "../text.js";

const OUT = { match: "names", domain: "names", issuer: "issuer", log: "log" };

// Readable where that is unambiguous: commas and the like stay.
const encoded = (text) => encodeURIComponent(text).replace(/%(2C|3A|2F)/g, decodeURIComponent).replaceAll("'", "%27");

function url(path, parameters) {
  const query = Object.entries(parameters).map(([name, value]) => `${name}=${encoded(value)}`).join("&");
  return address(path).href.replace(/\?$/, "") + (query && `?${query}`);
}

const socketUrl = (path, parameters) => url(path, parameters).replace(/^http/, "ws");

// A word of a shell command.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// The value of the header with a token, from the environment.
const bearer = ({ header }) => (/^authorization$/i.test(header) ? "Bearer " : "");

// `context` is { serves, auth, stream, filter }.
function plainUrl({ serves, auth, stream, filter }) {
  const at = socketUrl(serves[stream], filter.server);
  const token = auth.required ? ` -H "${auth.header}: ${bearer(auth)}$CERTSTREAM_TOKEN"` : "";
  const lines = [at, "", "# For example:", `websocat${token} ${quoted(at)}`];
  if (!auth.required) lines.push("pip install certstream", `certstream --url ${quoted(at)}${stream === "full" ? " --full" : ""}${stream === "domains" ? " --json" : ""}`);
  return lines.join("\n");
}

function curl({ auth, stream, filter }) {
  const token = auth.required ? ` \\\n  -H "${auth.header}: ${bearer(auth)}$CERTSTREAM_TOKEN"` : "";
  const names = stream === "domains" ? ".[]?" : ".data.leaf_cert.all_domains[]?";
  const body = stream === "domains" ? ".data" : "";
  return `curl -fsSN ${quoted(url("/sse", { stream, ...filter.server, compat: "calidog" }))}${token} |
  sed -un 's/^data: //p'

# Only the names: add | jq -r --unbuffered '${body}${names}'
# To resume, add &since=OFFSET to the URL, with the last "offset" that you received.`;
}

// The conditions under which a program skips a message, in Python or JavaScript.
function hidden(filter, stream, language) {
  const js = language === "js";
  const any = js
    ? (list, test, terms) => `${list}.some((text) => ${terms}.some((term) => ${test}))`
    : (list, test, terms) => `any(${test} for text in ${list} for term in ${terms})`;
  const contains = js ? "text.includes(term)" : "term in text";
  const below = js ? 'text === term || text.endsWith("." + term)' : 'text == term or text.endswith("." + term)';
  return Object.entries(filter.hidden)
    .filter(([by, terms]) => terms.length > 0 && (stream !== "domains" || OUT[by] === "names"))
    .map(([by, terms]) => any(OUT[by], by === "domain" ? below : contains, JSON.stringify(terms)));
}

function python({ serves, auth, stream, filter }) {
  const at = socketUrl(serves[stream], { ...filter.server, compat: "calidog", heartbeat: true });
  const tests = hidden(filter, stream, "py");
  const isNames = stream === "domains";
  const uses = (name) => tests.some((test) => test.includes(` in ${name} `));
  const prepare = [
    `names = message["data"]${isNames ? "" : '["leaf_cert"]["all_domains"]'}`,
    ...(uses("issuer") ? ['by = message["data"]["leaf_cert"]["issuer"]', 'issuer = [(by["CN"] or "").lower(), (by["O"] or "").lower()]'] : []),
    ...(uses("log") ? ['source = message["data"]["source"]', 'log = [source["name"].lower(), source["url"].lower()]'] : []),
    ...(tests.length ? [`if ${tests.join(" or ")}:`, "    return"] : []),
    "print(*names, flush=True)",
  ];
  const headers = auth.required ? `,\n                    additional_headers={"${auth.header}": "${bearer(auth)}" + os.environ["CERTSTREAM_TOKEN"]}` : "";
  return `# pip install websockets
import asyncio, json, os, pathlib
import websockets

URL = ${JSON.stringify(at)}
FILE = pathlib.Path("offset.txt")  # where this program stopped

def show(message):
${prepare.map((line) => `    ${line}`).join("\n")}

def save(offset):
    new = FILE.with_suffix(".new")
    new.write_text(str(offset))
    os.replace(new, FILE)

async def main():
    while True:
        since = f"&since={FILE.read_text()}" if FILE.exists() else ""
        try:
            async with websockets.connect(URL + since, max_size=2**24${headers}) as socket:
                async for text in socket:
                    message = json.loads(text)
                    if message["message_type"] == "${isNames ? "dns_entries" : "certificate_update"}":
                        show(message)
                    elif message["message_type"] == "gap":
                        print("possibly missed messages:", message["reason"], flush=True)
                    if "offset" in message:  # heartbeats have one too
                        save(message["offset"])
        except (OSError, websockets.WebSocketException) as error:
            print("connecting again:", error, flush=True)
        await asyncio.sleep(1)

asyncio.run(main())`;
}

function javascript({ serves, auth, stream, filter }) {
  const at = socketUrl(serves[stream], { ...filter.server, compat: "calidog", heartbeat: true });
  const tests = hidden(filter, stream, "js");
  const isNames = stream === "domains";
  const uses = (name) => tests.some((test) => test.startsWith(`${name}.`));
  const prepare = [
    `const names = message.data${isNames ? "" : ".leaf_cert.all_domains"};`,
    ...(uses("issuer") ? ["const { CN, O } = message.data.leaf_cert.issuer;", "const issuer = [CN, O].map((text) => (text ?? \"\").toLowerCase());"] : []),
    ...(uses("log") ? ["const { name, url } = message.data.source;", "const log = [name, url].map((text) => text.toLowerCase());"] : []),
    ...(tests.length ? [`if (${tests.join(" || ")}) return;`] : []),
    "console.log(...names);",
  ];
  const token = auth.required ? "\n// Browsers cannot send a token with a WebSocket; on Node: import WebSocket from \"ws\", and give it\n// { headers } as its second argument." : "";
  return `// Browsers, Deno, Bun, Node 22 and newer${token}
let last = null;

function show(message) {
${prepare.map((line) => `  ${line}`).join("\n")}
}

function connect() {
  const since = last === null ? "" : \`&since=\${last}\`;
  const socket = new WebSocket(${JSON.stringify(at)} + since);
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.message_type === "gap") console.error("possibly missed messages:", message.reason);
    if (message.message_type === "${isNames ? "dns_entries" : "certificate_update"}") show(message);
    last = message.offset ?? last; // heartbeats have one too
  };
  socket.onerror = () => {};
  socket.onclose = () => setTimeout(connect, 1000);
}
connect();`;
}

// The words for one of our programs: the URL, with the filters that have no option, and the options.
function words({ serves, stream, filter: { server } }) {
  const options = ["domain", "match", "issuer", "log"].filter((by) => server[by]);
  const inUrl = Object.fromEntries(Object.entries(server).filter(([by]) => !options.includes(by)));
  return [`--url ${quoted(socketUrl(serves[stream], inUrl))}`, ...options.map((by) => `--${by} ${quoted(server[by])}`)];
}

const tokenNote = ({ required }) => (required ? "# Reads the token from CERTSTREAM_TOKEN.\n" : "");
const tokenHeader = ({ required, header }) => (required && !/^authorization$/i.test(header) ? [`--token-header ${quoted(header)}`] : []);

function tail(context) {
  const { auth, stream } = context;
  const all = [...words(context), ...(stream === "lite" ? [] : [`--stream ${stream}`]), ...tokenHeader(auth), "--resume position.json"];
  const names = stream === "domains" ? ".data[]?" : ".data.leaf_cert.all_domains[]?";
  return `${tokenNote(auth)}certstream-server tail ${all.join(" \\\n  ")}

# One line per certificate; started again, it resumes.
# Only the names: add --json | jq -r --unbuffered '${names}'`;
}

function collector(context) {
  const { auth, stream } = context;
  const kind = { full: ["--with-der"], domains: ["--stream domains"], lite: [] }[stream];
  const all = [...words(context), ...kind, ...tokenHeader(auth), "--output certificates.feather"];
  return `${tokenNote(auth)}certstream-arrow ${all.join(" \\\n  ")}

# Stores the stream for pandas, Polars and DuckDB; started again, it resumes.
# In Python: pandas.read_feather("certificates.feather")`;
}

// The ways to use a filter, each with its name and text.
export function snippets(context) {
  const { serves } = context;
  const list = [];
  if (serves.websocket) list.push(["WebSocket URL", plainUrl(context)]);
  if (serves.sse) list.push(["curl", curl(context)]);
  if (serves.websocket) {
    list.push(["Terminal", tail(context)]);
    list.push(["Python", python(context)], ["JavaScript", javascript(context)], ["Files (Arrow)", collector(context)]);
  }
  return list;
}
