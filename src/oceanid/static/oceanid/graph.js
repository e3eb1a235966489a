// The graph of a workflow: zoomed by buttons, keys and Ctrl+wheel, moved by dragging and arrow keys.
(() => {
  "use strict";
  const LEAST = 0.15;
  const MOST = 2.5;
  const LEGIBLE = 0.55; // at first it is made to fit, but never smaller than this
  let scale = 0; // 0: not chosen yet
  let place = { left: 0, top: 0 };
  const parts = () => {
    const box = document.querySelector("[data-graph]");
    return box && { box, svg: box.querySelector("svg"), told: document.querySelector("[data-zoom-told]") };
  };
  const room = (box) => {
    const style = getComputedStyle(box);
    return {
      width: box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight),
      height: parseFloat(style.maxHeight) - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom),
    };
  };
  const fitting = ({ box, svg }) => {
    const { width, height } = svg.viewBox.baseVal;
    const free = room(box);
    return Math.min(1, free.width / width, free.height / height);
  };
  const draw = (graph) => {
    const { width, height } = graph.svg.viewBox.baseVal;
    graph.svg.setAttribute("width", String(width * scale));
    graph.svg.setAttribute("height", String(height * scale));
    if (graph.told) graph.told.textContent = `${Math.round(scale * 100)} %`;
  };
  // The point under (x, y) of the box stays where it is
  const zoom = (to, x, y) => {
    const graph = parts();
    if (!graph) return;
    const { box } = graph;
    const before = scale;
    scale = Math.min(MOST, Math.max(LEAST, to));
    const at = { x: x ?? box.clientWidth / 2, y: y ?? box.clientHeight / 2 };
    const left = (box.scrollLeft + at.x) * (scale / before) - at.x;
    const top = (box.scrollTop + at.y) * (scale / before) - at.y;
    draw(graph);
    box.scrollTo({ left, top, behavior: "instant" });
  };
  const prepare = () => {
    const graph = parts();
    if (!graph || graph.box.dataset.ready) return;
    graph.box.dataset.ready = "1";
    for (const tools of document.querySelectorAll("[data-zoom-tools]")) tools.hidden = false;
    if (!scale) scale = Math.max(LEGIBLE, fitting(graph));
    draw(graph);
    graph.box.scrollTo({ ...place, behavior: "instant" });
    graph.box.addEventListener("scroll", () => {
      place = { left: graph.box.scrollLeft, top: graph.box.scrollTop };
    }, { passive: true });
    graph.box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const frame = graph.box.getBoundingClientRect();
      zoom(scale * Math.exp(-event.deltaY / 400), event.clientX - frame.left, event.clientY - frame.top);
    }, { passive: false });
    drag(graph.box);
  };
  const drag = (box) => {
    let from = null;
    let moved = false;
    box.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      from = { x: event.clientX, y: event.clientY, left: box.scrollLeft, top: box.scrollTop };
      moved = false;
    });
    box.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (!moved && Math.hypot(event.clientX - from.x, event.clientY - from.y) < 4) return;
      if (!moved) box.setPointerCapture(event.pointerId);
      moved = true;
      box.classList.add("o-graph--held");
      box.scrollLeft = from.left - (event.clientX - from.x);
      box.scrollTop = from.top - (event.clientY - from.y);
    });
    const leave = () => {
      from = null;
      box.classList.remove("o-graph--held");
    };
    box.addEventListener("pointerup", leave);
    box.addEventListener("pointercancel", leave);
    box.addEventListener("click", (event) => {
      if (moved) event.preventDefault();
      moved = false;
    }, true);
    box.addEventListener("dragstart", (event) => event.preventDefault());
  };
  const act = { in: () => zoom(scale * 1.25), out: () => zoom(scale / 1.25), fit: () => zoom(fitting(parts())) };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) act[button.dataset.zoom]();
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.closest?.("[data-graph]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const wanted = { "+": "in", "=": "in", "-": "out", 0: "fit" }[event.key];
    if (!wanted) return;
    event.preventDefault();
    act[wanted]();
  });
  // A key that was pressed on a button or a box must still be there after a refresh
  let focused = null;
  document.addEventListener("htmx:beforeSwap", () => {
    const here = document.activeElement?.closest?.("#job-graph") ? document.activeElement : null;
    if (!here) focused = null;
    else if (here.matches("[data-graph]")) focused = "[data-graph]";
    else if (here.dataset.zoom) focused = `[data-zoom="${here.dataset.zoom}"]`;
    else focused = `#job-graph a[href="${CSS.escape(here.getAttribute("href") ?? "")}"]`;
  });
  document.addEventListener("htmx:afterSettle", () => {
    prepare();
    if (focused && document.activeElement === document.body) {
      document.querySelector(focused)?.focus({ preventScroll: true });
    }
    focused = null;
  });
  prepare();
})();
