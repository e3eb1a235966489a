// The list of jobs with keys, a selection, and columns that move. No page needs it to be read.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);

  // Forms of the dialogs speak of the list as it is now: a search has changed the address since
  const PLACES = ["after", "before", "at"];
  const refill = (form) => {
    const now = new URLSearchParams(location.search);
    for (const name of PLACES) now.delete(name);
    if (form.method === "post") {
      const action = new URL(form.action);
      action.search = now;
      form.action = action;
      return;
    }
    if (form.matches("[data-columns] form")) now.delete("columns");
    else now.delete("view");
    for (const field of all("input[type=hidden]", form)) {
      if (field.name !== "column") field.remove();
    }
    for (const [name, value] of now) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name, value });
      form.prepend(field);
    }
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[popover] form, [data-bulk]")) refill(form);
    if (form.matches("[data-export]")) one("#export")?.hidePopover();
  });

  // Columns move within their dialog
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-columns] [data-step]");
    if (!button) return;
    event.preventDefault();
    const item = button.closest("li");
    const other = button.dataset.step === "-1" ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (button.dataset.step === "-1") other.before(item);
    else other.after(item);
    button.focus();
    const said = one("[data-moved]");
    const place = [...item.parentElement.children].indexOf(item) + 1;
    said.textContent = said.dataset.words.replace("{column}", one("label", item).innerText.trim()).replace("{n}", place);
  });

  // What is selected
  const picks = () => all("#jobs [data-pick]");
  let last = null;
  const tell = () => {
    const form = one("[data-bulk]");
    if (!form) return;
    const boxes = picks();
    const count = boxes.filter((box) => box.checked).length;
    const whole = one("[data-pick-whole]")?.checked;
    const said = one("[data-picked]", form);
    const words = said.dataset;
    const text = whole ? words.whole : count === 0 ? words.none : count === 1 ? words.one : words.many.replace("{n}", count);
    if (said.textContent !== text) said.textContent = text;
    form.dataset.active = whole || count ? "1" : "";
    for (const button of all("[name=verb]", form)) button.disabled = !(whole || count);
    const none = one("[data-pick-none]", form);
    if (none) none.hidden = !(whole || count);
    const every = one("[data-pick-all]");
    if (every) {
      every.checked = count > 0 && count === boxes.length;
      every.indeterminate = count > 0 && count < boxes.length;
    }
    for (const box of boxes) box.closest("tr").toggleAttribute("data-picked-row", box.checked || Boolean(whole));
  };
  const pick = (box, on, range) => {
    if (range && last && last.isConnected && last !== box) {
      const boxes = picks();
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const each of boxes.slice(from, to + 1)) each.checked = on;
    } else box.checked = on;
    last = box;
    tell();
  };
  const none = () => {
    for (const box of picks()) box.checked = false;
    const whole = one("[data-pick-whole]");
    if (whole) whole.checked = false;
    last = null;
    tell();
  };
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[data-pick]");
    if (box) pick(box, box.checked, event.shiftKey);
    if (event.target.closest("[data-pick-none]")) none();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) {
      for (const box of picks()) box.checked = event.target.checked;
      tell();
    } else if (event.target.matches("[data-pick-whole]")) tell();
  });
  document.addEventListener("htmx:afterSettle", tell);
  addEventListener("pageshow", tell);
  tell();

  // Keys
  const STORED = "oceanid-keys";
  let keysOn = true;
  try {
    keysOn = localStorage.getItem(STORED) !== "off";
  } catch (problem) {
    // Nothing is kept then, and the keys work.
  }
  const choice = one("[data-keys-choice]");
  if (choice) {
    choice.hidden = false;
    const box = one("[data-keys-on]", choice);
    box.checked = keysOn;
    box.addEventListener("change", () => {
      keysOn = box.checked;
      try {
        localStorage.setItem(STORED, keysOn ? "on" : "off");
      } catch (problem) {
        // The choice then lasts as long as the page.
      }
    });
  }
  const rows = () => all("#jobs tbody tr");
  const present = () => document.activeElement?.closest?.("#jobs tbody tr") || null;
  let place = null;
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("#jobs tbody tr");
    if (row) place = row.id;
  });
  const go = (step) => {
    const list = rows();
    if (!list.length) return;
    const here = present() || document.getElementById(place);
    const at = list.indexOf(here);
    const to = at < 0 ? (step > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + step, 0), list.length - 1);
    one("th a", list[to])?.focus();
    list[to].scrollIntoView({ block: "nearest" });
  };
  const actions = {
    "/": () => {
      one("#q")?.focus();
      one("#q")?.select();
    },
    j: () => go(1),
    k: () => go(-1),
    o: () => one("th a", present() || undefined)?.click(),
    x: () => pickPresent(false),
    X: () => pickPresent(true),
    "?": () => one("#keys")?.togglePopover(),
  };
  const pickPresent = (range) => {
    const box = present() && one("[data-pick]", present());
    if (box) pick(box, range ? true : !box.checked, range);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const open = one("[popover]:popover-open");
    if (event.key === "Escape") {
      if (open) return;
      if (event.target.matches("input, select, textarea") && !event.target.matches("[type=checkbox]")) {
        event.preventDefault(); // else what was searched for is gone
        event.target.blur();
      } else none();
      return;
    }
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");
    if (typing || !keysOn || (open && event.key !== "?")) return;
    const action = actions[event.key];
    if (!action || (event.key === "o" && !present())) return;
    event.preventDefault();
    action();
  });
})();
