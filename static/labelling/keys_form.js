// A click into a field marks the key in it, so that the next one replaces it, as it is when one comes by Tab.
const mark = (field) => field.matches('[name^="keys["]') && field.select();

document.addEventListener("click", ({ target }) => mark(target));
mark(document.activeElement); // clicked before this was here
