/* Shows what happens to a cluster as soon as it is written down; asks for it, since it is seldom. */
"use strict";
(() => {
  const BUSY_MS = 2000, CALM_MS = 8000;
  const parts = new Map();
  let tag = "";
  let timer = 0;
  const shown = () => document.getElementById("cluster-live");
  /* As it was sent; the token of a form is another one each time. */
  const textOf = (part) => part.outerHTML.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1");
  const remember = (root) => {
    for (const part of root.children) if (part.id) parts.set(part.id, textOf(part));
  };
  const put = (fresh) => {
    const old = shown();
    old.toggleAttribute("data-busy", fresh.hasAttribute("data-busy"));
    const kept = new Map([...old.children].filter((part) => part.id).map((part) => [part.id, part]));
    let before = null;
    for (const part of [...fresh.children]) {
      const present = kept.get(part.id);
      const text = textOf(part);
      kept.delete(part.id);
      if (present && parts.get(part.id) === text) {
        before = present;
        continue;
      }
      /* Whoever is about to press a button keeps it; what they opened stays open. */
      if (present && present.contains(document.activeElement) && document.activeElement !== document.body) {
        before = present;
        continue;
      }
      parts.set(part.id, text);
      const open = present ? [...present.querySelectorAll("details[open]")].map((each) => each.id) : [];
      for (const id of open) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
      if (present) present.replaceWith(part);
      else if (before) before.after(part);
      else old.prepend(part);
      before = part;
    }
    for (const [id, part] of kept) {
      parts.delete(id);
      part.remove();
    }
  };
  const look = async () => {
    timer = 0;
    const old = shown();
    if (!old || document.hidden) return;
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const answer = await fetch(old.dataset.live, {
        credentials: "same-origin", redirect: "error", cache: "no-store", headers,
      });
      if (answer.status === 204) {
        location.assign(old.dataset.gone);
        return;
      }
      if (answer.ok) {
        tag = answer.headers.get("ETag") ?? "";
        const holder = document.createElement("template");
        holder.innerHTML = await answer.text();
        const fresh = holder.content.querySelector("#cluster-live");
        if (fresh) put(fresh);
      }
    } catch { /* the server is away; the next look tells */ }
    plan();
  };
  const plan = () => {
    const old = shown();
    /* What changes only when it is asked for is not looked at again and again. */
    if (old && "still" in old.dataset && !("busy" in old.dataset)) return;
    if (old && !timer) timer = setTimeout(look, "busy" in old.dataset ? BUSY_MS : CALM_MS);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !timer) look();
  });
  document.addEventListener("DOMContentLoaded", () => {
    const first = shown();
    if (!first) return;
    remember(first);
    plan();
  });
})();
