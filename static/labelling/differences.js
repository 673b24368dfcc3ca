// Marks in two texts of a page the words that only one of them has. A formula counts as one word.

import { onlyIn } from "./words.js";

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" }); // also of scripts without spaces

// Words of a text with where they stand: [{ word, node, from, to }]
function words(text) {
  const found = [];
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT, (node) =>
    node.parentNode.closest?.("math") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.nodeType === Node.ELEMENT_NODE) {
      if (node.matches("math")) found.push({ word: node.textContent, node });
    } else
      for (const { segment, index } of segmenter.segment(node.data))
        if (segment.trim()) found.push({ word: segment, node, from: index, to: index + segment.length });
  }
  return found;
}

// Neighbours within one node are one mark.
function stretches(found, only) {
  const joined = [];
  found.forEach((each, at) => {
    if (!only[at]) return;
    const last = joined.at(-1);
    if (only[at - 1] && last?.node === each.node && each.to) last.to = each.to;
    else joined.push({ ...each });
  });
  return joined;
}

function wrap({ node, from, to }) {
  const mark = document.createElement("mark");
  mark.className = "only-here";
  if (to === undefined) {
    node.replaceWith(mark);
    return mark.append(node);
  }
  const range = document.createRange();
  range.setStart(node, from);
  range.setEnd(node, to);
  range.surroundContents(mark);
}

// How many words are marked in each.
export function mark(one, two) {
  const found = [words(one), words(two)];
  const only = onlyIn(...found.map((each) => each.map(({ word }) => word)));
  // From the end on: a node that is split keeps its first part.
  found.forEach((each, side) => stretches(each, only[side]).reverse().forEach(wrap));
  return only.map((each) => each.filter(Boolean).length);
}

export function unmark(within) {
  for (const each of within.querySelectorAll("mark.only-here")) {
    const { parentNode } = each;
    each.replaceWith(...each.childNodes);
    parentNode.normalize();
  }
}
