// Arrows: the answer on that side, or a step along the scale.

function step(screen, direction, { chosen, select }) {
  const scale = [...screen.querySelectorAll('.choice[value^="left"], .choice[value^="right"]')];
  const at = scale.indexOf(chosen());
  const middle = direction < 0 ? scale.length / 2 - 1 : scale.length / 2;
  const button = scale[at < 0 ? middle : Math.min(Math.max(at + direction, 0), scale.length - 1)];
  select(button);
  button.focus({ preventScroll: true });
}

(globalThis.honeKinds ??= {}).comparison = {
  key({ key }, tools) {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return false;
    const screen = document.getElementById("screen");
    const side = key === "ArrowLeft" ? "left" : "right";
    if (screen.dataset.levels !== "0") step(screen, side === "left" ? -1 : 1, tools);
    else tools.choose(screen.querySelector(`.choice[value="${side}"]`));
    return true;
  },
};
