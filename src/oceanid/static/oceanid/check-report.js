/* Shows what a look found as soon as the supervisor has written it down. */
"use strict";
(() => {
  const QUICK_MS = 1000, SLOW_MS = 10000;
  const look = async () => {
    const shown = document.getElementById("check-report");
    if (!shown || !shown.dataset.report) return;
    try {
      const answer = await fetch(shown.dataset.report, { credentials: "same-origin", redirect: "error" });
      if (answer.ok) {
        const holder = document.createElement("template");
        holder.innerHTML = await answer.text();
        const fresh = holder.content.querySelector("#check-report");
        /* A person who is about to press a button keeps it. */
        if (fresh && fresh.innerHTML !== shown.innerHTML && !shown.contains(document.activeElement)) {
          shown.replaceWith(fresh);
        }
      }
    } catch { /* the server is away; the next look tells */ }
    plan();
  };
  const plan = () => {
    const shown = document.getElementById("check-report");
    if (shown) setTimeout(look, "waits" in shown.dataset ? QUICK_MS : SLOW_MS);
  };
  document.addEventListener("DOMContentLoaded", plan);
})();
