// One EventSource for all tabs of a browser, shared through a SharedWorker.
"use strict";
const ports = new Set();
let source = null;
let lastId = "";
let state = "lost";

const tell = (message) => {
  for (const port of ports) port.postMessage(message);
};
const open = (address) => {
  if (source && source.readyState !== EventSource.CLOSED) return;
  const from = new URL(address, self.location.href);
  if (lastId) from.searchParams.set("since", lastId);
  source = new EventSource(from);
  const alive = () => {
    state = "live";
    tell({ kind: "state", state });
  };
  source.addEventListener("open", alive);
  source.addEventListener("beat", alive);
  source.addEventListener("jobs", (event) => {
    lastId = event.lastEventId || lastId;
    tell({ kind: "jobs", jobs: JSON.parse(event.data) });
  });
  source.addEventListener("notices", () => tell({ kind: "notices" }));
  source.addEventListener("resync", () => tell({ kind: "resync" }));
  source.addEventListener("gone", () => {
    source.close();
    tell({ kind: "gone" });
  });
  source.addEventListener("error", () => {
    state = "lost";
    tell({ kind: "state", state });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => ports.size && open(address), 5000);
  });
};
self.addEventListener("connect", (event) => {
  const port = event.ports[0];
  ports.add(port);
  port.addEventListener("message", ({ data }) => {
    if (data.kind === "open") {
      open(data.address);
      port.postMessage({ kind: "state", state });
    }
    if (data.kind === "close") {
      ports.delete(port);
      if (!ports.size && source) source.close();
    }
  });
  port.start();
});
