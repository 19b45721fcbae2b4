// Draws the tiles of a finished picture: square parts of the picture at several sizes. Tile level 0 has the full size
// and is lossless; each further level has half the size of the level before.

// Side of a tile, px.
const TILE = 512;

/** Draw the tiles that are visible and have loaded, of the tile level that matches the zoom. */
function drawTiles(viewer, { layer, pane, part }) {
  const { left, top, across, down, scale } = viewer.placement({ layer, pane });
  const level = clamp(Math.floor(Math.log2(1 / scale)), 0, layer.levels - 1);
  const side = TILE * 2 ** level * scale;
  const range = (start, end, length) => [
    Math.max(0, Math.floor(start / side)),
    Math.min(Math.ceil(length / side - 1e-6), Math.ceil(end / side)),
  ];
  const [firstRow, lastRow] = range(-top, viewer.canvas.height - top, down);
  const [firstCol, lastCol] = range(part.left - left, part.left + part.width - left, across);
  const edge = (number, length) => Math.round(Math.min(number * side, length));
  for (let row = firstRow; row < lastRow; row += 1) {
    for (let col = firstCol; col < lastCol; col += 1) {
      const tile = viewer.images.get(tileUrl(layer, level, row, col));
      const [x, y] = [edge(col, across), edge(row, down)];
      const size = [edge(col + 1, across) - x, edge(row + 1, down) - y];
      if (tile) viewer.context.drawImage(tile, left + x, top + y, ...size);
    }
  }
}

/** Return the URL of the tile at a row and column of a tile level. */
function tileUrl(picture, level, row, col) {
  return picture.tile.url.replace(/[^/]*$/, `${level}-${row}-${col}.${level ? "jpg" : "png"}`);
}
