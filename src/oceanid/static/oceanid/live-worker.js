// One EventSource for all tabs of a browser, shared through a SharedWorker.
"use strict";
const REMEMBERED = 500;
const ports = new Set();
const recent = []; // [event, jobs] of what was told since `begin`, for a tab that comes late
let begin = null; // from this event on everything was heard
let source = null;
let lastId = "";
let state = "lost";

const tell = (message) => {
  for (const port of ports) port.postMessage(message);
};
const open = (address, since) => {
  if (source && source.readyState !== EventSource.CLOSED) return;
  const from = new URL(address, self.location.href);
  const last = lastId || since;
  if (last) from.searchParams.set("since", last);
  if (begin === null && last) begin = Number(last);
  source = new EventSource(from);
  const alive = (event) => {
    if (begin === null && event.lastEventId) begin = Number(event.lastEventId);
    state = "live";
    tell({ kind: "state", state });
  };
  source.addEventListener("open", alive);
  source.addEventListener("beat", alive);
  source.addEventListener("jobs", (event) => {
    lastId = event.lastEventId || lastId;
    const jobs = JSON.parse(event.data);
    recent.push([Number(lastId), jobs]);
    if (recent.length > REMEMBERED) begin = recent.shift()[0];
    tell({ kind: "jobs", jobs });
  });
  source.addEventListener("notices", () => tell({ kind: "notices" }));
  source.addEventListener("resync", (event) => {
    lastId = event.lastEventId || lastId;
    recent.length = 0;
    begin = Number(lastId) || null;
    tell({ kind: "resync" });
  });
  source.addEventListener("gone", () => {
    source.close();
    tell({ kind: "gone" });
  });
  source.addEventListener("error", () => {
    state = "lost";
    tell({ kind: "state", state });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => ports.size && open(address, ""), 5000);
  });
};
// What happened between a page's making and its coming here was told to the others only
const catchUp = (port, since) => {
  if (!since) return;
  if (begin === null || Number(since) < begin) {
    port.postMessage({ kind: "resync" });
    return;
  }
  const jobs = recent.filter(([id]) => id >= Number(since)).flatMap(([, ids]) => ids);
  if (jobs.length) port.postMessage({ kind: "jobs", jobs: [...new Set(jobs)] });
};
self.addEventListener("connect", (event) => {
  const port = event.ports[0];
  ports.add(port);
  port.addEventListener("message", ({ data }) => {
    if (data.kind === "open") {
      ports.add(port);
      open(data.address, data.since || "");
      port.postMessage({ kind: "state", state });
      catchUp(port, data.since);
    }
    if (data.kind === "close") {
      ports.delete(port);
      if (!ports.size && source) source.close();
    }
  });
  port.start();
});
