// Follows changes and refreshes only what they touch.
(() => {
  "use strict";
  const body = document.body;
  if (!body.dataset.live || body.dataset.live === "off") return;
  const sign = document.querySelector("[data-live-sign]");
  const text = sign?.querySelector("[data-live-text]");
  const AWAY_MS = 3600_000;
  let lastHeard = Date.now();
  let state = "lost";
  const lang = document.documentElement.lang || "en";
  const words = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });

  // "Live": when the page was last known to be up to date
  const show = () => {
    if (sign) {
      sign.hidden = false;
      sign.dataset.state = state;
      const word = state === "lost" ? "lostWord" : state === "poll" ? "pollWord" : "liveWord";
      if (text.textContent !== text.dataset[word]) text.textContent = text.dataset[word];
    }
    const seconds = Math.round((Date.now() - lastHeard) / 1000);
    const ago = words.format(-seconds, "second");
    for (const node of document.querySelectorAll("[data-updated]")) {
      node.dataset.word ??= node.textContent;
      node.textContent = `${node.dataset.updated || "updated"} ${ago}`;
    }
  };
  setInterval(show, 1000);

  // What a change touches
  let waiting = new Set();
  let timer = null;
  let flushed = 0;
  const refreshRows = async (ids) => {
    const list = document.querySelector("[data-jobs]");
    if (!list) return;
    const here = ids.filter((id) => document.getElementById(`job-row-${id}`)).slice(0, 200);
    if (!here.length) return;
    const address = new URL(list.dataset.jobs, location.href);
    address.searchParams.set("ids", here.join(","));
    const answer = await fetch(address, { headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    let gone = false;
    for (const id of here) {
      const before = document.getElementById(`job-row-${id}`);
      const after = fresh.getElementById(`job-row-${id}`);
      if (!before) continue;
      if (!after) {
        before.remove();
        gone = true;
        continue;
      }
      const focused = before.contains(document.activeElement) ? document.activeElement.id : "";
      const row = document.importNode(after, true);
      const pick = before.querySelector("[data-pick]");
      if (pick) row.querySelector("[data-pick]").checked = pick.checked;
      if (row.dataset.tone !== before.dataset.tone) row.classList.add("o-fresh");
      before.replaceWith(row);
      if (focused) document.getElementById(focused)?.focus();
    }
    document.dispatchEvent(new CustomEvent("htmx:afterSettle"));
    if (gone && !list.querySelector("[data-job]")) htmx.ajax("GET", location.href, { target: list, swap: "outerHTML" });
  };
  const flush = () => {
    timer = null;
    const ids = [...waiting];
    waiting = new Set();
    flushed = Date.now();
    const begun = flushed;
    refreshRows(ids).catch(() => {}).finally(() => {
      // A site that is slow to answer is asked less often.
      flushed = Date.now() + (Date.now() - begun);
    });
    for (const id of ids) htmx.trigger(body, `oceanid:job-${id}`);
    htmx.trigger(body, "oceanid:jobs");
  };
  const heard = () => {
    lastHeard = Date.now();
    show();
  };
  const changed = (jobs) => {
    heard();
    for (const id of jobs) waiting.add(id);
    timer ??= setTimeout(flush, document.hidden ? 3000 : Math.max(400, flushed + 1000 - Date.now()));
  };
  const everything = () => {
    const shown = [...document.querySelectorAll("[data-job]")].map((node) => Number(node.dataset.job));
    changed(shown);
  };
  const receive = (message) => {
    if (message.kind === "state") {
      state = message.state;
      if (state === "live") heard();
      show();
    } else if (message.kind === "jobs") {
      state = "live";
      changed(message.jobs);
    } else if (message.kind === "notices") htmx.trigger(body, "oceanid:notices");
    else if (message.kind === "resync") everything();
    else if (message.kind === "gone") location.reload();
  };

  // Without streams: ask, and be told cheaply that nothing changed
  const poll = () => {
    let since = body.dataset.lastEvent || "";
    let tag = "";
    let notices = null;
    const ask = async () => {
      let wait = 4000;
      try {
        const address = new URL(body.dataset.changesUrl, location.href);
        if (since) address.searchParams.set("since", since);
        const answer = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {} });
        if (answer.status === 401) return location.reload();
        if (answer.ok) {
          tag = answer.headers.get("ETag") || "";
          const found = await answer.json();
          since = String(found.last);
          if (notices !== null && notices !== found.notices) htmx.trigger(body, "oceanid:notices");
          notices = found.notices;
          // Deletions are told of for a day only
          if (found.resync || Date.now() - lastHeard > AWAY_MS) everything();
          else changed(found.jobs);
        }
        if (answer.ok || answer.status === 304) {
          state = "poll";
          heard();
        } else throw new Error(String(answer.status));
      } catch (problem) {
        state = "lost";
        wait = 10000;
      }
      show();
      setTimeout(ask, document.hidden ? 30000 : wait);
    };
    ask();
  };

  const address = new URL(body.dataset.liveUrl, location.href).href;
  const alone = () => {
    // No SharedWorker: this tab has a stream of its own, and gives it back while hidden.
    let source = null;
    let since = body.dataset.lastEvent || "";
    const open = () => {
      const from = new URL(address);
      if (since) from.searchParams.set("since", since);
      since = "";
      source = new EventSource(from);
      for (const kind of ["open", "beat"]) source.addEventListener(kind, () => receive({ kind: "state", state: "live" }));
      source.addEventListener("jobs", (event) => receive({ kind: "jobs", jobs: JSON.parse(event.data) }));
      source.addEventListener("notices", () => receive({ kind: "notices" }));
      source.addEventListener("resync", () => receive({ kind: "resync" }));
      source.addEventListener("gone", () => receive({ kind: "gone" }));
      source.addEventListener("error", () => receive({ kind: "state", state: "lost" }));
    };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) source?.close();
      else {
        open();
        everything();
      }
    });
    if (!document.hidden) open();
  };
  if (body.dataset.live === "poll") poll();
  else if (window.SharedWorker) {
    const worker = new SharedWorker(body.dataset.workerUrl, { name: "oceanid-live" });
    worker.addEventListener("error", alone, { once: true });
    worker.port.addEventListener("message", ({ data }) => receive(data));
    worker.port.start();
    worker.port.postMessage({ kind: "open", address, since: body.dataset.lastEvent || "" });
    addEventListener("pagehide", () => worker.port.postMessage({ kind: "close" }));
    addEventListener("pageshow", (event) => {
      if (event.persisted) {
        worker.port.postMessage({ kind: "open", address });
        everything();
      }
    });
  } else alone();
})();
