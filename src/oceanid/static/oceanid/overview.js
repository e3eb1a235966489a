// The overview's charts, drawn from the table that stands beside them, and its refreshing.
(() => {
  "use strict";
  const lang = document.documentElement.lang || "en";
  const PLOT_HEIGHT = 132;
  const REFRESH_S = 8;
  const LOOKED_S = 5.5; // the supervisor counts what stands where within some seconds of a change
  const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit" });
  const dated = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
  const whole = new Intl.NumberFormat(lang);
  const short = new Intl.NumberFormat(lang, { notation: "compact", maximumFractionDigits: 1 });
  const span = (seconds) => {
    if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
    if (seconds < 60) return `${Math.round(seconds)} s`;
    if (seconds < 3600) return `${Math.round(seconds / 6) / 10} min`;
    if (seconds < 86400) return `${Math.round(seconds / 360) / 10} h`;
    return `${Math.round(seconds / 8640) / 10} d`;
  };

  const table = () => document.querySelector("[data-points]");
  const points = () => {
    const found = { at: [], done: [], failed: [], wait: [], running: [], waiting: [] };
    const number = (cell) => (cell.dataset.v === "" ? null : Number(cell.dataset.v));
    for (const row of [...table().querySelectorAll("tbody tr")].reverse()) {
      found.at.push(Number(row.dataset.at));
      found.done.push(number(row.cells[1]));
      found.failed.push(number(row.cells[2]));
      found.wait.push(number(row.cells[4]));
      found.running.push(number(row.cells[5]));
      found.waiting.push(number(row.cells[6]));
      row.cells[0].textContent = dated.format(found.at.at(-1) * 1000);
    }
    return found;
  };

  // Colours are the tokens', as the present theme has them
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (token, alpha = 1) => {
    probe.style.color = `var(--o-${token})`;
    const found = getComputedStyle(probe).color;
    const parts = found.match(/[\d.]+/g);
    return alpha === 1 || !parts ? found : `rgb(${parts.slice(0, 3).join(" ")} / ${alpha})`;
  };

  const KINDS = {
    ended: {
      data: (found) => [found.at, found.done.map((n, i) => n + found.failed[i]), found.done],
      value: (n) => short.format(n),
      series: () => [
        { stroke: colour("bad"), fill: colour("bad"), paths: bars(), points: { show: false } },
        { stroke: colour("done"), fill: colour("done"), paths: bars(), points: { show: false } },
      ],
      say: (found, i, words) => `${whole.format(found.done[i])} ${words.wordDone}, ${whole.format(found.failed[i])} ${words.wordFailed}`,
      whole: true,
    },
    depth: {
      data: (found) => [found.at, found.running, found.waiting],
      value: (n) => short.format(n),
      series: () => [line("run"), line("wait")],
      say: (found, i, words) => (found.running[i] === null ? words.wordNone : `${whole.format(found.running[i])} ${words.wordRunning}, ${whole.format(found.waiting[i])} ${words.wordWaiting}`),
      whole: true,
    },
    wait: {
      data: (found) => [found.at, found.wait],
      value: span,
      series: () => [line("wait")],
      say: (found, i, words) => (found.wait[i] === null ? words.wordNowait : span(found.wait[i])),
    },
  };
  const bars = () => uPlot.paths.bars({ size: [0.72, 28], align: 1, radius: 0.08 });
  const line = (token) => ({
    stroke: colour(token), fill: colour(token, 0.1), width: 1.75, spanGaps: false,
    paths: uPlot.paths.linear(), points: { size: 5, width: 1.5, filter: alone },
  });
  // A value without neighbours would be no line, so it is a point.
  const alone = (plot, index) => {
    const values = plot.data[index];
    const found = [];
    for (let i = 0; i < values.length; i++) {
      if (values[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
    }
    return found;
  };

  const charts = new Map();
  const options = (kind, found, holder) => {
    const step = found.at[1] - found.at[0];
    const axis = { stroke: colour("muted"), font: `12px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false }, grid: { stroke: colour("line"), width: 1 } };
    return {
      width: Math.max(160, holder.clientWidth),
      height: PLOT_HEIGHT,
      legend: { show: false },
      padding: [8, 26, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: true, range: () => [found.at[0], found.at.at(-1) + step] },
        y: { range: (_plot, _low, high) => [0, Math.max(high * 1.12, kind.whole ? 4 : 1)] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 28, gap: 7, space: 70, values: (_plot, ticks) => ticks.map((at) => (step > 3600 ? day : clock).format(at * 1000)) },
        { ...axis, size: 52, gap: 6, space: 24, incrs: kind.whole ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8] : [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800, 2592000], values: (_plot, ticks) => ticks.map(kind.value) },
      ],
      series: [{}, ...kind.series()],
      hooks: { setCursor: [(plot) => say(plot, kind, holder.parentElement)] },
    };
  };
  const say = (plot, kind, chart) => {
    const at = plot.cursor.idx;
    const found = charts.get(chart)?.found;
    const output = chart.querySelector("output");
    if (!found || at == null || plot.cursor.left < 0) output.textContent = "";
    else output.textContent = `${dated.format(found.at[at] * 1000)}: ${kind.say(found, at, table().dataset)}`;
  };
  const draw = () => {
    if (!table() || !window.uPlot) return;
    const found = points();
    for (const chart of document.querySelectorAll("[data-chart]")) {
      const kind = KINDS[chart.dataset.chart];
      const holder = chart.querySelector(".o-chart__plot");
      charts.get(chart)?.plot.destroy();
      const plot = new uPlot(options(kind, found, holder), kind.data(found), holder);
      charts.set(chart, { plot, found });
      plot.root.setAttribute("aria-hidden", "true");
    }
  };

  // By keyboard: the arrow keys walk along the values
  document.addEventListener("keydown", (event) => {
    const chart = event.target.closest?.("[data-chart]");
    const shown = chart && charts.get(chart);
    if (!shown || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = shown.found.at.length - 1;
    const now = shown.at ?? last + 1;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (to === undefined) {
      if (event.key === "Escape") shown.plot.setCursor({ left: -10, top: -10 });
      return;
    }
    event.preventDefault();
    shown.at = Math.min(last, Math.max(0, to));
    const step = shown.found.at[1] - shown.found.at[0];
    shown.plot.setCursor({ left: shown.plot.valToPos(shown.found.at[shown.at] + step / 4, "x"), top: 10 });
  });
  document.addEventListener("focusout", (event) => {
    const shown = charts.get(event.target);
    if (shown) {
      shown.at = undefined;
      shown.plot.setCursor({ left: -10, top: -10 });
    }
  });

  // A window of another width, another theme
  let width = 0;
  new ResizeObserver(() => {
    const present = document.querySelector(".o-chart__plot")?.clientWidth || 0;
    if (present === width) return;
    width = present;
    for (const [chart, { plot }] of charts) {
      plot.setSize({ width: Math.max(160, chart.querySelector(".o-chart__plot").clientWidth), height: PLOT_HEIGHT });
    }
  }).observe(document.querySelector("[data-overview]"));
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  // Refreshing: when something has changed, but no more than once in some seconds
  let timer = null;
  let refreshed = Date.now();
  const take = (fresh, id) => {
    const before = document.getElementById(id);
    const after = fresh.getElementById(id);
    if (before && after) before.hidden = after.hidden;
    if (!before || !after || before.innerHTML === after.innerHTML) return;
    const focused = before.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    before.replaceChildren(...document.importNode(after, true).childNodes);
    if (focused) before.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  };
  const refresh = async () => {
    timer = null;
    const begun = Date.now();
    try {
      const answer = await fetch(document.querySelector("[data-overview]").dataset.overview, { headers: { "HX-Request": "true" } });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!table() !== !fresh.querySelector("[data-points]")) return location.reload();
      for (const id of ["over-figures", "over-points", "over-places", "over-mine", "over-held", "over-reasons", "over-clusters"]) take(fresh, id);
      if (table()) {
        const found = points();
        for (const [chart, shown] of charts) {
          const same = shown.found.at[0] === found.at[0];
          shown.found = found;
          shown.plot.setData(KINDS[chart.dataset.chart].data(found));
          if (!same) draw();
        }
      }
      document.dispatchEvent(new CustomEvent("htmx:afterSettle"));
    } catch (problem) {
      // The sign in the frame tells that the connection is lost; the next change asks again.
    } finally {
      // A site that is slow to answer is asked less often.
      refreshed = Date.now() + 3 * (Date.now() - begun);
    }
  };
  document.body.addEventListener("oceanid:jobs", () => {
    const wait = (document.hidden ? 10 : 1) * REFRESH_S * 1000;
    timer ??= setTimeout(refresh, Math.max(LOOKED_S * 1000, refreshed + wait - Date.now()));
  });
  // Figures of a span of time go on without any change
  setInterval(() => {
    if (!document.hidden) timer ??= setTimeout(refresh, 0);
  }, 60_000);
  draw();
})();
