// Boxes that scroll sideways can be reached and scrolled with the keyboard; others take no stop of the Tab key.
const BOXES = "pre, .output, .table-wrapper, .math, mjx-container[display=true]";

function markBoxes() {
  for (const box of document.querySelectorAll(BOXES)) {
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible") {
      box.tabIndex = 0;
      if (!box.hasAttribute("role")) box.setAttribute("role", "region");
      if (!box.hasAttribute("aria-label")) box.setAttribute("aria-label", "wide content, scrolls sideways");
    }
  }
}

// A link to a place in something folded opens it, and so does one to the heading of a folded section.
function reveal() {
  const name = location.hash.slice(1);
  const target = document.getElementById(name) || document.getElementById(unquoted(name));
  if (!target) return;
  const section = target.closest("section")?.querySelector(":scope > details.optional");
  const folded = [...document.querySelectorAll("details:not([open])")];
  const hiding = folded.filter((box) => box === section || box.contains(target));
  for (const box of hiding) box.open = true;
  if (hiding.length) target.scrollIntoView();
}

function unquoted(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;  // a "%" that quotes nothing
  }
}

// The words that a search found are marked on its page: none of them stays in a folded section.
function showFound() {
  for (const mark of document.querySelectorAll("details.optional:not([open]) .highlighted")) {
    mark.closest("details.optional").open = true;
  }
}

addEventListener("hashchange", reveal);
addEventListener("click", (event) => {  // the same link once more, after the section was closed
  const link = event.target.closest('a[href*="#"]');
  if (link && link.href === location.href) reveal();
});
addEventListener("beforeprint", () => {
  for (const box of document.querySelectorAll("details.optional")) box.open = true;
});
addEventListener("toggle", markBoxes, true);  // what was folded had no width

addEventListener("load", () => {
  markBoxes();
  reveal();
  setTimeout(showFound, 50);  // the marks are made some milliseconds after the page was read
  if (window.MathJax && MathJax.startup) MathJax.startup.promise.then(markBoxes);
});
addEventListener("resize", markBoxes);
