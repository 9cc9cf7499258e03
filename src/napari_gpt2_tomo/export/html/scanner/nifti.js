// The picture as niivue reads it: a NIfTI-1 file, made in memory
// (https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h).

const NIFTI_HEADER = 352; // Bytes before the voxels: 348 and four that say "no extension".
const NIFTI_UINT8 = 2;

/** A file of the picture's bytes; `spacing` in millimetres, the middle of the box at 0. */
function niftiFile(picture, spacing) {
  const [sections, rows, columns] = picture.shape;
  const file = new ArrayBuffer(NIFTI_HEADER + picture.codes.length);
  const view = new DataView(file);
  const [thick, high, wide] = spacing;
  view.setInt32(0, 348, true);
  [3, columns, rows, sections, 1, 1, 1, 1].forEach((n, i) => view.setInt16(40 + 2 * i, n, true));
  view.setInt16(70, NIFTI_UINT8, true);
  view.setInt16(72, 8, true); // Bits of a voxel.
  [1, wide, high, thick].forEach((n, i) => view.setFloat32(76 + 4 * i, n, true));
  view.setFloat32(108, NIFTI_HEADER, true);
  view.setFloat32(112, 1, true); // Slope: a byte is its own value.
  view.setFloat32(124, 255, true); // Largest value; the smallest is the 0 that is there.
  view.setInt16(254, 1, true); // The matrix below holds: the axes as they are.
  [wide, high, thick].forEach((step, i) => {
    const middle = ([columns, rows, sections][i] * step) / 2;
    view.setFloat32(280 + 16 * i + 4 * i, step, true);
    view.setFloat32(280 + 16 * i + 12, step / 2 - middle, true);
  });
  [0x6e, 0x2b, 0x31, 0].forEach((byte, i) => view.setUint8(344 + i, byte)); // "n+1"
  turnInto(new Uint8Array(file, NIFTI_HEADER), picture, null);
  return file;
}

/**
 * Copy the bytes so that sections run downwards and channels towards the viewer, as in the
 * slices; only those of one part, if `only` is its number.
 */
function turnInto(target, { codes, labels, air, shape }, only) {
  const [sections, rows, columns] = shape;
  let at = 0;
  for (let section = 0; section < sections; section++) {
    for (let row = 0; row < rows; row++) {
      const to = ((sections - 1 - section) * rows + (rows - 1 - row)) * columns;
      if (only === null || !labels) target.set(codes.subarray(at, at + columns), to);
      else {
        for (let i = 0; i < columns; i++) target[to + i] = labels[at + i] === only + 1 ? codes[at + i] : air;
      }
      at += columns;
    }
  }
}
