// Small enhancements of server-rendered pages: theme, times, logs. No page needs them to be read.
(() => {
  "use strict";
  const root = document.documentElement;

  // Light or dark
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("oceanid-theme", root.dataset.theme);
    } catch (problem) {
      // The choice then lasts as long as the page.
    }
  });

  // Times: relative words, the exact value on hover, all in the reader's zone
  const lang = root.lang || "en";
  const words = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  const exact = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "long" });
  const day = new Intl.DateTimeFormat(lang, { dateStyle: "medium" });
  const units = [["second", 60], ["minute", 60], ["hour", 24], ["day", 7]];
  const relative = (moment) => {
    let amount = (moment - Date.now()) / 1000;
    if (Math.abs(amount) < 3) return words.format(0, "second");
    for (const [unit, size] of units) {
      if (Math.abs(amount) < size) return words.format(Math.round(amount), unit);
      amount /= size;
    }
    return day.format(moment);
  };
  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (number) => String(number).padStart(2, "0");
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
    return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
  };
  const say = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };
  const tellTimes = () => {
    for (const node of document.querySelectorAll("time.o-time")) {
      const moment = new Date(node.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      say(node, relative(moment));
      if (!node.dataset.exact) {
        node.dataset.exact = "1";
        node.title = exact.format(moment);
      }
    }
    for (const node of document.querySelectorAll("[data-since]")) {
      say(node, span((Date.now() - new Date(node.dataset.since)) / 1000));
    }
  };
  setInterval(tellTimes, 1000);
  tellTimes();
  document.addEventListener("htmx:afterSettle", tellTimes);

  // Logs that follow: bytes are asked for from where we are, and the page keeps a bounded end
  const KEPT = 1_000_000;
  const readLog = async (box) => {
    const text = box.querySelector("[data-log-text]");
    if (!text || box.dataset.reading || document.hidden) return;
    box.dataset.reading = "1";
    try {
      const address = new URL(box.dataset.log, location.href);
      address.searchParams.set("offset", box.dataset.offset || "0");
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const found = await answer.json();
      box.dataset.offset = found.next;
      if (found.truncated) text.textContent = "";
      if (found.text) {
        text.append(found.text);
        if (text.textContent.length > KEPT) text.textContent = text.textContent.slice(-KEPT);
        const empty = box.querySelector("[data-log-empty]");
        if (empty) empty.hidden = true;
      }
      const size = box.querySelector("[data-log-size]");
      if (size) size.textContent = found.shown_size;
      if (found.text && box.querySelector("[data-log-follow]")?.checked) text.scrollTop = text.scrollHeight;
      box.dataset.ended = found.ended ? "1" : "";
      if (found.next < found.size) setTimeout(() => readLog(box), 50);
    } catch (problem) {
      // The next look tries again.
    } finally {
      delete box.dataset.reading;
    }
  };
  setInterval(() => {
    for (const box of document.querySelectorAll("[data-log]")) {
      if (!box.dataset.ended && box.querySelector("[data-log-follow]")?.checked) readLog(box);
    }
  }, 1000);
  const logToEnd = () => {
    for (const text of document.querySelectorAll("[data-log-text]")) text.scrollTop = text.scrollHeight;
  };
  document.addEventListener("htmx:afterSettle", logToEnd);
  logToEnd();
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-log-wrap]")) {
      event.target.closest("[data-log]").classList.toggle("o-log--wrap", event.target.checked);
    }
  });
})();
