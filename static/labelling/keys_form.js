// A click into a field marks the key in it, so that the next one replaces it, as it is when one comes by Tab.
document.addEventListener("click", ({ target }) => target.matches('[name^="keys["]') && target.select());
