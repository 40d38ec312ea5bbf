/** The look that a person chose before, set before anything is painted. */
"use strict";
try {
  const chosen = localStorage.getItem("easel-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // a browser that keeps nothing follows the system
}
