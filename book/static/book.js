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

addEventListener("load", () => {
  markBoxes();
  if (window.MathJax && MathJax.startup) MathJax.startup.promise.then(markBoxes);
});
addEventListener("resize", markBoxes);
