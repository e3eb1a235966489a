// Tables of an app's jobs in any page: live rows, menus, questions, dialogs. Several may stand on a page.
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");

  // Times, where no script of ours tells them: relative words, the exact value on hover
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
  const tellTimes = (root) => {
    for (const node of all("time.o-time", root)) {
      let amount = (new Date(node.dateTime) - Date.now()) / 1000;
      if (Number.isNaN(amount)) continue;
      for (const [unit, size] of [["second", 60], ["minute", 60], ["hour", 24], ["day", 1e9]]) {
        if (Math.abs(amount) < size) {
          node.textContent = words.format(Math.round(amount), unit);
          break;
        }
        amount /= size;
      }
    }
  };

  // What counts of a table's markup: not its running clocks, nor the masks of its CSRF token
  const gist = (root) => {
    const copy = root.cloneNode(true);
    for (const node of all("[data-since], time", copy)) node.textContent = "";
    for (const node of all("input[name=csrfmiddlewaretoken]", copy)) node.remove();
    return copy.innerHTML;
  };

  const start = (table) => {
    const body = one("[data-jt-body]", table);
    const said = one("[data-jt-said]", table);
    const overlay = one("[data-jt-overlay]", table);
    const foreign = table.classList.contains("o-jt--foreign");
    let present = new URLSearchParams(table.dataset.jtPresent);
    let shown = gist(body);
    let tag = "";
    let asking = null;
    let failures = 0;

    const tell = (text, kind) => {
      said.textContent = text;
      said.dataset.kind = kind;
      said.hidden = !text;
    };
    const address = (base, more) => {
      const url = new URL(base, location.href);
      for (const [name, value] of more) url.searchParams.set(name, value);
      return url;
    };
    const put = (text) => {
      const fresh = document.createElement("div");
      fresh.append(...parse(text).body.childNodes);
      const next = gist(fresh);
      if (next === shown) return;
      shown = next;
      const id = body.contains(document.activeElement) ? document.activeElement.id : "";
      body.replaceChildren(...document.adoptNode(fresh).childNodes);
      if (id) document.getElementById(id)?.focus();
      if (foreign) tellTimes(body);
      document.dispatchEvent(new CustomEvent("htmx:afterSettle"));
    };
    const isBusy = () => one("[data-jt-menu]:popover-open, dialog[open]", table) !== null;
    const load = async ({ always = false } = {}) => {
      if (!always && (isBusy() || document.hidden)) return;
      asking?.abort();
      const mine = (asking = new AbortController());
      try {
        const answer = await fetch(address(table.dataset.jt, present), {
          headers: { "HX-Request": "true", ...(tag && !always ? { "If-None-Match": tag } : {}) },
          signal: mine.signal,
        });
        if (answer.status === 401) return location.reload();
        if (answer.status !== 304) {
          if (!answer.ok) throw new Error(String(answer.status));
          const text = await answer.text();
          if (!always && isBusy()) return;
          tag = answer.headers.get("ETag") || "";
          put(text);
        }
        if (failures > 2) tell("", "");
        failures = 0;
      } catch (problem) {
        if (problem.name === "AbortError") return;
        failures += 1;
        if (failures > 2) tell(table.dataset.jtLost, "warning");
      }
    };

    const every = Number(table.dataset.jtEvery);
    if (every > 0) setInterval(load, Math.max(every, 1000));
    let soon = null;
    document.body.addEventListener("oceanid:jobs", () => {
      soon ??= setTimeout(() => {
        soon = null;
        load();
      }, 300);
    });
    document.addEventListener("visibilitychange", () => load());

    // Pages, order, search
    table.addEventListener("click", (event) => {
      const link = event.target.closest("[data-jt-go]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      present = new URLSearchParams(link.dataset.jtGo);
      load({ always: true });
    });
    const find = one("[data-jt-find]", table);
    let typing = null;
    const search = () => {
      const sort = present.get("sort");
      present = new URLSearchParams(sort ? { sort } : {});
      for (const field of all("[data-jt-name]", find)) {
        if (field.value) present.set(field.dataset.jtName, field.value);
      }
      load({ always: true });
    };
    find?.addEventListener("submit", (event) => {
      event.preventDefault();
      search();
    });
    find?.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(search, 350);
    });

    // Menus stand beside their buttons
    const place = (menu) => {
      const button = one(`[popovertarget="${menu.id}"]`, table).getBoundingClientRect();
      const below = innerHeight - button.bottom > menu.offsetHeight + 12;
      menu.style.top = `${Math.max(8, below ? button.bottom + 4 : button.top - menu.offsetHeight - 4)}px`;
      menu.style.left = `${Math.max(8, Math.min(button.right, innerWidth - 8) - menu.offsetWidth)}px`;
    };
    table.addEventListener(
      "toggle",
      (event) => {
        const menu = event.target;
        if (!menu.matches?.("[data-jt-menu]") || event.newState !== "open") return;
        place(menu);
        one("a, button:not([disabled])", menu)?.focus({ preventScroll: true });
      },
      true,
    );
    table.addEventListener("keydown", (event) => {
      const menu = event.target.closest("[data-jt-menu]");
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!menu || !step) return;
      event.preventDefault();
      const items = all("a, button:not([disabled])", menu);
      items[(items.indexOf(event.target) + step + items.length) % items.length]?.focus();
    });
    const follow = () => {
      const menu = one("[data-jt-menu]:popover-open", table);
      if (menu) place(menu);
    };
    addEventListener("scroll", follow, { passive: true, capture: true });
    addEventListener("resize", follow);

    // Dialogs
    const dialog = one("[data-jt-dialog]", table);
    table.addEventListener("click", async (event) => {
      const link = event.target.closest("[data-jt-modal]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      link.closest("[popover]")?.hidePopover();
      const answer = await fetch(link.dataset.jtModal, { headers: { "HX-Request": "true" } }).catch(() => null);
      if (!answer?.ok) return tell(table.dataset.jtFailed, "error");
      const inside = one("[data-jt-dialog-body]", dialog);
      inside.replaceChildren(...parse(await answer.text()).body.childNodes);
      dialog.showModal();
      inside.focus();
      for (const text of all("pre", inside)) text.scrollTop = text.scrollHeight;
    });
    const ask = one("[data-jt-ask]", table);
    const sure = (button) =>
      new Promise((resolve) => {
        one("[data-jt-question]", ask).textContent = button.dataset.jtConfirm;
        one("[data-jt-of]", ask).textContent = button.dataset.jtOf;
        one("[data-jt-yes]", ask).textContent = button.textContent.replace("…", "");
        ask.returnValue = "";
        ask.addEventListener("close", () => resolve(ask.returnValue === "yes"), { once: true });
        ask.showModal();
      });

    // Actions
    table.addEventListener("submit", async (event) => {
      const form = event.target;
      if (!form.matches("[data-jt-form]")) return;
      event.preventDefault();
      const button = event.submitter;
      const data = new FormData(form, button);
      const back = one(`[popovertarget="${form.closest("[popover]").id}"]`, table)?.id;
      form.closest("[popover]").hidePopover();
      if (button.dataset.jtConfirm) {
        if (!(await sure(button))) return;
        data.set("confirmed", "1");
      }
      if ("jtOverlaid" in button.dataset) overlay.hidden = false;
      try {
        const answer = await fetch(form.getAttribute("action"), { method: "POST", body: data, headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const found = await answer.json();
        tell(found.message, found.done ? "success" : "error");
      } catch (problem) {
        tell(table.dataset.jtFailed, "error");
      } finally {
        overlay.hidden = true;
      }
      await load({ always: true });
      if (back) document.getElementById(back)?.focus();
    });

    if (foreign) {
      tellTimes(body);
      setInterval(() => tellTimes(body), 10000);
    }
  };
  const begin = () => all("[data-jt]").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
