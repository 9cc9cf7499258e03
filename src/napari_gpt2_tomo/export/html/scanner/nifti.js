// The picture as niivue reads it: a NIfTI-1 file, made in memory. Offsets are those of nifti1.h
// of the NIfTI Data Format Working Group.

const NIFTI_HEADER = 352; // Bytes before the voxels: 348 and four that say "no extension".
const NIFTI_UINT8 = 2;

/**
 * What the volume is drawn from: the picture, or where a graphics card takes no axis of its
 * length, blocks of it, each as its strongest voxel.
 */
class Texture {
  /** `limit` is the longest axis that the card takes. */
  constructor(picture, limit) {
    this.picture = picture;
    this.thin = picture.shape.map((n) => Math.ceil(n / limit));
    this.shape = picture.shape.map((n, axis) => Math.ceil(n / this.thin[axis]));
    /** Voxels of the picture that the texture covers, air beyond its end included. */
    this.covered = this.shape.map((n, axis) => n * this.thin[axis]);
    this.strength = Float64Array.from(picture.values, (value) => (Number.isFinite(value) ? Math.abs(value) : -1));
    this.strength[picture.notFinite] = Infinity;
  }

  get isThinned() {
    return this.thin.some((n) => n > 1);
  }

  /**
   * Write the texture so that sections run downwards and channels towards the viewer, as in the
   * slices; only the voxels of one part, if `only` is its number.
   */
  fill(target, only) {
    const { codes, labels, air, shape } = this.picture;
    const [sections, rows, columns] = shape;
    const [deep, high, wide] = this.shape;
    if (this.isThinned) target.fill(air);
    let at = 0;
    for (let section = 0; section < sections; section++) {
      const z = deep - 1 - Math.floor(section / this.thin[0]);
      for (let row = 0; row < rows; row++) {
        const to = (z * high + high - 1 - Math.floor(row / this.thin[1])) * wide;
        if (only === null && !this.isThinned) target.set(codes.subarray(at, at + columns), to);
        else {
          for (let i = 0; i < columns; i++) {
            const code = only === null || labels[at + i] === only + 1 ? codes[at + i] : air;
            const texel = to + Math.floor(i / this.thin[2]);
            if (!this.isThinned || this.strength[code] > this.strength[target[texel]]) target[texel] = code;
          }
        }
        at += columns;
      }
    }
  }

  /** A NIfTI-1 file of it; `spacing` of the picture in millimetres, the middle of the box at 0. */
  file(spacing) {
    const [sections, rows, columns] = this.shape;
    const file = new ArrayBuffer(NIFTI_HEADER + sections * rows * columns);
    const view = new DataView(file);
    const [thick, high, wide] = spacing.map((step, axis) => step * this.thin[axis]);
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
    this.fill(new Uint8Array(file, NIFTI_HEADER), null);
    return file;
  }
}
