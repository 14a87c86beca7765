// Returns the texts in `parts` that stand out from what is behind them by less than 4.5 to 1
// (WCAG 2.2, success criterion 1.4.3; the formula is that of "contrast ratio" there).
(parts) => {
  const light = (colour) => {
    const [r, g, b] = colour
      .match(/[\d.]+/g)
      .map((part) => Number(part) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (at) => {
    for (let place = at; place; place = place.parentElement) {
      const colour = getComputedStyle(place).backgroundColor;
      if (!/, 0\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const hasText = (at) =>
    [...at.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
  const contrast = (at) => {
    const pair = [light(getComputedStyle(at).color), light(behind(at))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };
  return [...document.querySelectorAll(parts)]
    .filter((at) => at.checkVisibility() && hasText(at) && contrast(at) < 4.5)
    .map((at) => at.outerHTML.slice(0, 120));
}
