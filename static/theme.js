// Loaded before the page is drawn, so that a chosen theme does not flash, nor what a focused screen hides, nor what floats
// over the page where scripts run, and no height that was chosen jumps. Without a choice the system's theme is followed.
document.documentElement.classList.add("scripted");
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  document.documentElement.classList.toggle("focused", localStorage.getItem("hone-focus") === "true"); // see label.css
  for (const [name, height] of Object.entries(JSON.parse(localStorage.getItem("hone-heights") ?? "{}")))
    document.documentElement.style.setProperty(`--${name}-height`, `${height}px`); // see labelling/heights.js
} catch {
  // Storage is switched off, or holds what nobody here wrote: the defaults stay.
}
