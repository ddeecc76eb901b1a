import sharp from "sharp";

const loaders = ["Jpeg", "Uhdr", "Png", "Webp", "Nsgif", "Tiff", "Heif"].map((name) => `VipsForeignLoad${name}Buffer`);

/**
 * Turns off every libvips loader that `decodeImage` does not use, and all that open paths, for the whole process.
 *
 * For programs that own their process, such as a server: a second wall behind the check of the file's signature. It is
 * not done on import, because sharp's block list is global: another user of sharp in the process could then no longer
 * open a path or an SVG.
 */
export function blockUnusedImageLoaders(): void {
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: loaders });
}
