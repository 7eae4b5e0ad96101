// The page: how its parts work together. `data-ready` on the root is set once certificates and logs are shown.

import * as alerts from "./alerts.js";
import { filtering, serving } from "./filter/connect.js";
import * as form from "./filter/form.js";
import * as notify from "./filter/notify.js";
import * as figures from "./figures.js";
import { watch } from "./logs.js";
import * as search from "./search/search.js";
import * as state from "./state.js";
import { Certificates } from "./stream/certificates.js";
import * as detail from "./stream/detail.js";
import { certificate, issuer, sorted, untitled } from "./stream/row.js";
import { Stream } from "./stream/stream.js";
import * as top from "./stream/top.js";
import { address, byId, duration, number, set, speak } from "./text.js";
import * as token from "./token.js";

const certificates = new Certificates({
  ...detail,
  onPause: (isPaused) => state.update({ isPaused }),
});

const stream = new Stream({
  onState(kind, text) {
    state.update({ kind, text });
    certificates.obstacle = OBSTACLES[kind] ?? null;
    if (kind === "token") token.ask(text === "token refused");
    if (kind === "live") token.accepted();
  },
  onMessage: take,
  onGap(dropped) {
    const some = dropped === null ? "Some" : `Up to ${number(dropped)}`;
    speak(`${some} certificates may have been missed`);
  },
});

const OBSTACLES = {
  token: "The stream needs a token.", off: "There is no stream to show.", down: "Not connected to the stream.",
};

let server = null;
let filter = null;

function take(message, isNew) {
  const data = certificate(message);
  if (filter.hides && filter.isHidden(data)) return;
  top.add(data);
  certificates.take(data, message.offset, isNew);
  if (!isNew) return;
  figures.add();
  notify.matched(sorted(data, filter)[0]?.name ?? untitled(data), issuer(data.leaf_cert.issuer));
}

function begin() {
  certificates.begin(filter);
  figures.begin(!filter.isEmpty);
  top.clear();
  filtering(filter);
  notify.begin(filter);
  if (server !== null) stream.begin(server, token.current(), filter);
}

function changed(now) {
  filter = now;
  // The address of this page is that of the stream: it can be passed on, and connected to.
  history.replaceState(null, "", address("/", filter.all));
  begin();
}

// The difference between the server's clock and this one, in seconds.
let skew = 0;
const now = () => Date.now() / 1000 + skew;
certificates.clock = now;
top.clock(now);

function answered(answer) {
  const isFirst = server === null;
  // The newest answer: a stream that begins later begins at its head.
  server = answer;
  skew = answer.now - Date.now() / 1000;
  byId("demo").hidden = !answer.demo;
  set(byId("version"), `certstream-server ${answer.version}`);
  set(byId("uptime"), `up ${duration(answer.uptime_secs)}${node(answer.cluster)}`);
  figures.answered(answer);
  certificates.checked = figures.checked();
  state.answered(answer);
  serving(answer);
  search.serving(answer);
  alerts.serving(answer);
  stream.serving(answer);
  detail.serving({
    one: (kind, offset, parameters) => stream.one(kind, offset, parameters),
    hasFull: Boolean(answer.serves.full), isDemo: answer.demo,
  });
  if (!isFirst) return;
  begin();
  const kind = answer.serves.lite ? "lite" : "full";
  if (answer.serves[kind]) detail.openLinked(kind, filter);
}

// What this server is in a cluster, and how far it is behind the cluster's stream.
function node(cluster) {
  if (!cluster) return "";
  const lag = cluster.lag_secs < 2 ? "" : `, ${duration(cluster.lag_secs)} behind`;
  return ` · ${cluster.leads ? "leads the cluster" : `${cluster.role} node`}${lag}`;
}

// The page can be shown, or pictured, once both tables have rows.
const ready = setInterval(() => {
  if (byId("rows").rows.length === 0 || byId("log-rows").rows.length === 0) return;
  document.documentElement.dataset.ready = "";
  clearInterval(ready);
}, 100);

token.begin(() => server !== null && stream.begin(server, token.current(), filter));
filter = form.begin(changed);
top.begin(form.add);
filtering(filter);
notify.begin(filter);
watch(answered, () => state.update({ answers: false }));
