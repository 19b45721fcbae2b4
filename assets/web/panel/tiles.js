// @ts-check
// Draws the tiles of a finished picture: square parts of the picture at several sizes. Tile level 0 has the full size
// and is lossless; each further level has half the size of the level before.

import { clamp } from "./numbers.js";

/** @import { Picture } from "./value.js" */
/** @import { Side, Viewer } from "./viewer.js" */

// Side of a tile, px.
const TILE = 512;

/**
 * Draw the tiles that are visible and have loaded, of the tile level that matches the zoom.
 *
 * @param {Viewer} viewer
 * @param {Side} side
 * @param {Picture} picture  the side's layer
 */
export function drawTiles(viewer, side, picture) {
  const { left, top, across, down, scale } = viewer.placement(side);
  const level = clamp(Math.floor(Math.log2(1 / scale)), 0, picture.levels - 1);
  const tileSide = TILE * 2 ** level * scale;
  /** @type {(start: number, end: number, length: number) => [number, number]} */
  const range = (start, end, length) => [
    Math.max(0, Math.floor(start / tileSide)),
    Math.min(Math.ceil(length / tileSide - 1e-6), Math.ceil(end / tileSide)),
  ];
  const [firstRow, lastRow] = range(-top, viewer.canvas.height - top, down);
  const [firstCol, lastCol] = range(side.part.left - left, side.part.left + side.part.width - left, across);
  /** @type {(number: number, length: number) => number} */
  const edge = (number, length) => Math.round(Math.min(number * tileSide, length));
  for (let row = firstRow; row < lastRow; row += 1) {
    for (let col = firstCol; col < lastCol; col += 1) {
      const tile = viewer.images.get(tileUrl(picture, level, row, col));
      const [x, y] = [edge(col, across), edge(row, down)];
      const [width, height] = [edge(col + 1, across) - x, edge(row + 1, down) - y];
      if (tile) viewer.drawing.drawImage(tile, left + x, top + y, width, height);
    }
  }
}

/**
 * Return the URL of the tile at a row and column of a tile level.
 *
 * @param {Picture} picture
 * @param {number} level
 * @param {number} row
 * @param {number} col
 */
function tileUrl(picture, level, row, col) {
  return picture.tile.url.replace(/[^/]*$/, `${level}-${row}-${col}.${level ? "jpg" : "png"}`);
}
