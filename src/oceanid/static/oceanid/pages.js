// Small enhancements of server-rendered pages: theme, times. No page needs them to be read.
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
})();
