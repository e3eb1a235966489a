// Sets the reader's choice of light or dark before anything is painted.
(() => {
  "use strict";
  try {
    const chosen = localStorage.getItem("oceanid-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (problem) {
    // Storage may be forbidden; then the system's choice holds.
  }
})();
