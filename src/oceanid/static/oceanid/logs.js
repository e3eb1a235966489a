// Logs: they follow what is written, wrap, and are searched on the server, a bounded piece at a time.
(() => {
  "use strict";
  const KEPT = 1_000_000; // characters that a page keeps
  const MOST_LINES = 2000; // lines with a match that are remembered
  const AFAR_MS = 2500; // output on another machine comes every few seconds only
  const AHEAD = 3; // matches are looked for in this many pieces before the reader asks for more
  const finds = new WeakMap();
  const part = (box, name) => box.querySelector(`[data-log-${name}]`);
  const shown = (node, yes) => {
    if (node) node.hidden = !yes;
  };
  const ask = async (box, parameters) => {
    const address = new URL(box.dataset.log, location.href);
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    if (found.is_gone) {
      box.dataset.ended = "1";
      throw new Error("gone");
    }
    return found;
  };
  const leftOut = (box, from) => {
    const cut = part(box, "cut");
    if (!cut) return;
    cut.hidden = !from;
    cut.textContent = from ? cut.dataset.words.replace("{size}", size(from)) : "";
  };
  const size = (bytes) => {
    let amount = bytes;
    for (const unit of ["B", "KiB", "MiB", "GiB"]) {
      if (amount < 1024) return unit === "B" ? `${amount} B` : `${amount.toFixed(1)} ${unit}`;
      amount /= 1024;
    }
    return `${amount.toFixed(1)} TiB`;
  };

  // Following: bytes are asked for from where we are; what was missed between is told as left out
  const read = async (box) => {
    const text = part(box, "text");
    if (!text || box.dataset.reading || document.hidden || Date.now() < Number(box.dataset.after || 0)) return;
    box.dataset.reading = "1";
    try {
      const from = Number(box.dataset.offset || 0);
      const found = await ask(box, { offset: from });
      if (finds.has(box)) return;
      box.dataset.offset = found.next;
      if (found.truncated) text.textContent = "";
      if (found.offset > from) {
        text.textContent = "";
        leftOut(box, found.offset);
      }
      if (found.text) {
        text.append(found.text);
        if (text.textContent.length > KEPT) text.textContent = text.textContent.slice(-KEPT);
        shown(part(box, "empty"), false);
      }
      tell(box, found);
      box.dataset.after = found.is_here ? "" : Date.now() + AFAR_MS;
      if (found.text && part(box, "follow")?.checked) text.scrollTop = text.scrollHeight;
      box.dataset.ended = found.ended ? "1" : "";
      if (found.next < found.size && found.text) setTimeout(() => read(box), 50);
    } catch (problem) {
      // The next look tries again.
    } finally {
      delete box.dataset.reading;
    }
  };
  const tell = (box, found) => {
    const length = part(box, "size");
    if (length) length.textContent = found.shown_size;
    const note = part(box, "note");
    if (note && note.textContent !== found.note) note.textContent = found.note;
    shown(note, Boolean(found.note));
    shown(part(box, "download"), found.is_here);
  };
  setInterval(() => {
    for (const box of document.querySelectorAll("[data-log]")) {
      if (!box.dataset.ended && !finds.has(box) && part(box, "follow")?.checked) read(box);
    }
  }, 1000);

  // Finding: which lines have it, then the piece around one of them
  const say = (box, found) => {
    const told = part(box, "found");
    const words = told.dataset;
    const many = found.lines.length;
    const all = `${many.toLocaleString()}${found.done ? "" : "+"}`;
    let text = words.counted.replace("{at}", (found.at + 1).toLocaleString()).replace("{all}", all);
    if (!many) text = found.done ? words.none : words.looking;
    told.textContent = [text, found.bound].filter(Boolean).join(" ");
    for (const button of box.querySelectorAll("[data-log-step]")) button.disabled = !many;
  };
  const more = async (box, found) => {
    const answer = await ask(box, { find: found.needle, offset: found.next });
    found.lines.push(...answer.lines);
    found.stuck = answer.next <= found.next;
    found.next = answer.next;
    found.bound = answer.bound;
    found.done = found.stuck || found.next >= answer.size || found.lines.length >= MOST_LINES;
  };
  const start = async (box, needle) => {
    const found = { needle, lines: [], next: 0, at: 0, done: false, bound: "" };
    finds.set(box, found);
    say(box, found);
    try {
      for (let piece = 0; !found.done && (piece < AHEAD || !found.lines.length); piece += 1) {
        await more(box, found);
        if (finds.get(box) !== found) return;
        say(box, found);
      }
      if (found.lines.length) await show(box, found);
    } catch (problem) {
      part(box, "found").textContent = part(box, "found").dataset.failed;
    }
  };
  const show = async (box, found) => {
    const piece = await ask(box, { around: found.lines[found.at] });
    if (finds.get(box) !== found) return;
    const text = part(box, "text");
    const here = marked(piece.text, found.needle, true);
    text.replaceChildren(marked(piece.before, found.needle, false), here);
    leftOut(box, piece.offset);
    shown(part(box, "empty"), false);
    const current = text.querySelector("mark[aria-current]");
    if (current) {
      text.scrollTop = current.offsetTop - text.offsetTop - text.clientHeight / 2;
      text.scrollLeft = Math.max(0, current.offsetLeft - text.clientWidth + current.offsetWidth + 40);
    }
    say(box, found);
  };
  const marked = (text, needle, isHere) => {
    const made = document.createDocumentFragment();
    const low = text.toLowerCase();
    const wanted = needle.toLowerCase();
    let from = 0;
    let isFirst = isHere;
    if (low.length === text.length) {
      for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
        const mark = document.createElement("mark");
        mark.textContent = text.slice(at, at + needle.length);
        if (isFirst) mark.setAttribute("aria-current", "true");
        isFirst = false;
        made.append(text.slice(from, at), mark);
        from = at + needle.length;
      }
    }
    made.append(text.slice(from));
    return made;
  };
  const step = async (box, by) => {
    const found = finds.get(box);
    if (!found?.lines.length) return;
    try {
      if (found.at + by >= found.lines.length && !found.done) await more(box, found);
      found.at = (found.at + by + found.lines.length) % found.lines.length;
      await show(box, found);
    } catch (problem) {
      part(box, "found").textContent = part(box, "found").dataset.failed;
    }
  };
  const leave = async (box) => {
    finds.delete(box);
    part(box, "found").textContent = "";
    for (const button of box.querySelectorAll("[data-log-step]")) button.disabled = true;
    const text = part(box, "text");
    try {
      const end = await ask(box, {});
      if (finds.has(box)) return;
      text.textContent = end.text;
      box.dataset.offset = end.next;
      leftOut(box, end.offset);
      tell(box, end);
      text.scrollTop = text.scrollHeight;
    } catch (problem) {
      // Following goes on from where it was.
    }
  };
  let typing = 0;
  const typed = (field) => {
    const box = field.closest("[data-log]");
    const needle = field.value;
    if (needle === (finds.get(box)?.needle ?? "")) return;
    if (needle) start(box, needle);
    else leave(box);
  };
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-log-find]")) return;
    clearTimeout(typing);
    typing = setTimeout(() => typed(event.target), 300);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-log-step]");
    if (button) step(button.closest("[data-log]"), Number(button.dataset.logStep));
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.("[data-log]");
    if (!box) return;
    const field = part(box, "find");
    if (event.target === field) {
      if (event.key === "Enter") {
        event.preventDefault();
        if (field.value !== (finds.get(box)?.needle ?? "")) typed(field);
        else step(box, event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && field.value) {
        event.preventDefault();
        field.value = "";
        typed(field);
      }
    } else if (event.target === part(box, "text") && field && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (event.key === "/") {
        event.preventDefault();
        event.stopPropagation();
        field.focus();
      } else if (event.key === "n" || event.key === "N") step(box, event.key === "n" ? 1 : -1);
    }
  }, true);

  // What stands in the page needs its script: the tools appear with it
  const prepare = () => {
    for (const box of document.querySelectorAll("[data-log]")) {
      if (box.dataset.ready) continue;
      box.dataset.ready = "1";
      for (const tool of box.querySelectorAll("[data-log-tool]")) tool.hidden = false;
      const text = part(box, "text");
      if (text) text.scrollTop = text.scrollHeight;
    }
  };
  document.addEventListener("htmx:afterSettle", prepare);
  prepare();
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-log-wrap]")) {
      event.target.closest("[data-log]").classList.toggle("o-log--wrap", event.target.checked);
    }
  });
})();
