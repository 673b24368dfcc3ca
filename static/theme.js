// Loaded before the page is drawn, so that a chosen theme does not flash, nor what a focused screen hides, nor what floats
// over the page where scripts run. Without a choice the system's is followed.
document.documentElement.classList.add("scripted");
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  document.documentElement.classList.toggle("focused", localStorage.getItem("hone-focus") === "true"); // see label.css
} catch {
  // Storage is switched off: the system's theme stays.
}
