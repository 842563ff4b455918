// What the page uses of Observable Plot; esbuild leaves out the rest.
export { plot, areaY, barX, barY, dot, line, ruleX, ruleY, text, tip, pointer, tickX } from "@observablehq/plot";
