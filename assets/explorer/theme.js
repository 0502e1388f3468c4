// Colours of this theme, from Streamlit's CSS variables. Accents, safe for colour-blind eyes (after Okabe and Ito):
// vermillion for what stands out (flagged), blue for the loop that is selected or plays, in words purple for what is
// broken; everything else is grey.

import { contextOf } from "./dom.js";

const LIGHT = {
  flagged: "#c8500a",
  flaggedText: "#a63f00",
  faultyText: "#963a79",
  selected: "#0069b4",
  normal: "#7d8795",
  low: "#2c6aa0",
  high: "#b8860b",
};
const DARK = {
  flagged: "#ff8c42",
  flaggedText: "#ff9d5c",
  faultyText: "#e79ccb",
  selected: "#5cb8f0",
  normal: "#8b97a8",
  low: "#62a8dd",
  high: "#e0b040",
};

/** @param {Element} root */
function readTheme(root) {
  const style = getComputedStyle(root);
  const variable = (/** @type {string} */ name, /** @type {string} */ fallback) =>
    style.getPropertyValue(name).trim() || fallback;
  const background = variable("--st-background-color", "#ffffff");
  const dark = luminance(background) < 0.4;
  return {
    ...(dark ? DARK : LIGHT),
    dark,
    background,
    text: variable("--st-text-color", dark ? "#fafafa" : "#31333f"),
    font: variable("--st-font", "sans-serif"),
    faint: dark ? "rgba(139, 151, 168, 0.22)" : "rgba(125, 135, 149, 0.25)",
    grid: dark ? "rgba(250, 250, 250, 0.10)" : "rgba(49, 51, 63, 0.10)",
    muted: dark ? "#a9b1bd" : "#5b6270",
  };
}

/** The theme, its accents written where the style sheet finds them. @param {HTMLElement} root */
export function applyTheme(root) {
  const theme = readTheme(root);
  root.dataset.theme = theme.dark ? "dark" : "light";
  for (const name of /** @type {const} */ (["flagged", "selected", "normal", "muted", "grid", "faint"]))
    root.style.setProperty(`--ls-${name}`, theme[name]);
  root.style.setProperty("--ls-flagged-text", theme.flaggedText);
  root.style.setProperty("--ls-faulty-text", theme.faultyText);
  return theme;
}

/** Plotly layout common to all charts. @param {Theme} theme @param {PlotLayout} extra @returns {PlotLayout} */
export function layoutOf(theme, extra) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme.font, size: 12, color: theme.muted },
    showlegend: false,
    hovermode: false, // chart.js finds what is under the pointer
    uirevision: "kept",
    ...extra,
  };
}

/** @param {Theme} theme @param {string} title @param {PlotLayout} extra @returns {PlotLayout} */
export function axisOf(theme, title, extra = {}) {
  return {
    title: { text: title, font: { size: 12, color: theme.muted }, standoff: 6 },
    gridcolor: theme.grid,
    zeroline: false,
    linecolor: theme.grid,
    tickfont: { size: 11 },
    ...extra,
  };
}

/** Below the middle, the middle, above it; nothing stands out where there is nothing to see. @param {Theme} theme */
export const divergingOf = ({ low, background, high }) => [
  [0, low],
  [0.5, background],
  [1, high],
];

/** Template for a figure that brings its own layout: colours and fonts only. @param {Theme} theme */
export function templateOf(theme) {
  const axis = axisOf(theme, "", { automargin: true });
  delete axis.title.text;
  return {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: theme.font, size: 12, color: theme.muted },
      legend: { font: { color: theme.text } },
      hoverlabel: {
        bgcolor: theme.text,
        bordercolor: theme.text,
        font: { family: theme.font, color: theme.background },
      },
      xaxis: axis,
      yaxis: axis,
    },
  };
}

/** @type {CanvasRenderingContext2D | undefined} */
let probe;

/** [r, g, b] from any CSS colour, 0 to 255. @param {string} colour */
export const rgb = (colour) => channels(colour).slice(0, 3);

/** [r, g, b, alpha] from any CSS colour, 0 to 1. @param {string} colour */
export const rgba = (colour) => channels(colour).map((value) => value / 255);

/** @param {string} colour @returns {number[]} 0 to 255 */
function channels(colour) {
  probe ??= contextOf(document.createElement("canvas"), { willReadFrequently: true });
  probe.clearRect(0, 0, 1, 1);
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data];
}

/** @param {string} colour */
function luminance(colour) {
  const [r, g, b] = rgb(colour).map((value) => (value / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
