// @ts-check
// Draws the windows of a stage, which are the local views that the network denoises, over the stage's picture.

import { clamp } from "./numbers.js";

/** @import { Box } from "./value.js" */
/** @import { Placement } from "./viewer.js" */

/** @typedef {[x: number, y: number, width: number, height: number]} CanvasBox  In device pixels of the canvas. */

/**
 * Draw all windows with thin lines, and the window nearest to the middle with a thick line. If the stage has dilated
 * views, dots in this window show the latent cells of one dilated view: every `dilation`th cell across and down.
 *
 * @param {CanvasRenderingContext2D} drawing
 * @param {Box[]} windows
 * @param {number} dilation
 * @param {Placement} placement  where the picture is on the canvas
 */
export function drawWindows(drawing, windows, dilation, { left, top, across, down }) {
  /** @type {(box: Box) => CanvasBox} */
  const onCanvas = ([y, x, height, width]) => [left + x * across, top + y * down, width * across, height * down];
  const boxes = windows.map(onCanvas);
  /** @param {CanvasBox} box */
  const distanceToCentre = ([x, y, width, height]) =>
    Math.hypot(x + width / 2 - left - across / 2, y + height / 2 - top - down / 2);
  const [middle] = [...boxes].sort((one, other) => distanceToCentre(one) - distanceToCentre(other));
  /** @type {(some: CanvasBox[], width: number, colour: string) => void} */
  const outline = (some, width, colour) => {
    drawing.lineWidth = width * devicePixelRatio;
    drawing.strokeStyle = colour;
    for (const box of some) drawing.strokeRect(...box);
  };
  outline(boxes, 2, "rgb(0 0 0 / 0.25)");
  outline(boxes, 1, "rgb(255 255 255 / 0.55)");
  outline([middle], 4, "rgb(0 0 0 / 0.6)");
  outline([middle], 2, "white");
  if (dilation > 1) drawDilatedView(drawing, middle, dilation);
}

/**
 * Draw a grid of dots, which stand for latent cells, in a box. The cells of a dilated view have larger dots.
 *
 * @param {CanvasRenderingContext2D} drawing
 * @param {CanvasBox} box
 * @param {number} dilation
 */
function drawDilatedView(drawing, [x, y, width, height], dilation) {
  const distance = 9 * devicePixelRatio;
  /** @param {number} length */
  const count = (length) => clamp(Math.floor(length / distance) - 1, 0, 6 * dilation);
  const [rows, cols] = [count(height), count(width)];
  drawing.fillStyle = "rgb(0 0 0 / 0.45)";
  drawing.fillRect(x, y, (cols + 1) * distance, (rows + 1) * distance);
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += 1) {
      const taken = row % dilation === 0 && col % dilation === 0;
      drawing.fillStyle = taken ? "white" : "rgb(255 255 255 / 0.4)";
      drawing.beginPath();
      drawing.arc(
        x + (col + 1) * distance,
        y + (row + 1) * distance,
        (taken ? 2.6 : 1) * devicePixelRatio,
        0,
        2 * Math.PI,
      );
      drawing.fill();
    }
  }
}
